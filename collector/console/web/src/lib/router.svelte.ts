/** Addresses without `#`: the History API, and links that stay links (new tab, copy address). */

class Router {
  path = $state(location.pathname);
  search = $state(location.search);

  constructor() {
    addEventListener('popstate', () => this.#read());
  }

  /** The whole address below the host, for "come back here after signing in". */
  get here(): string {
    return this.path + this.search;
  }

  go(url: string, replace = false): void {
    if (url === this.here) return;
    history[replace ? 'replaceState' : 'pushState'](null, '', url);
    this.#read();
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }
}

export const router = new Router();

/** For the whole page: a plain click on a link of ours changes the address without a reload. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest('a');
  if (!link || link.origin !== location.origin || link.target || link.hash) return;
  event.preventDefault();
  router.go(link.pathname + link.search);
}

/** Where to go after signing in: only ever a place of this console. */
export function safeNext(search: string): string {
  const next = new URLSearchParams(search).get('next') ?? '/';
  const target = new URL(next, location.origin);
  return target.origin === location.origin && !target.pathname.startsWith('/sign-in')
    ? target.pathname + target.search
    : '/';
}
