// Before the first paint: the theme and language this browser chose last, so that nothing flashes.
(function () {
  var root = document.documentElement;
  var theme = null;
  try {
    theme = localStorage.getItem('lienphong.theme');
    if (localStorage.getItem('lienphong.language') === 'en') root.lang = 'en';
  } catch (error) {
    console.info('lienphong: storage is off', error);
  }
  if (theme !== 'light' && theme !== 'dark') {
    theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  }
  root.dataset.theme = theme;
})();
