/** Times as people read them: always Asia/Ho_Chi_Minh, always `HH:mm:ss dd/MM/yyyy`. */

import type { Language } from './documents';

const ZONE = 'Asia/Ho_Chi_Minh';
const parts = new Intl.DateTimeFormat('en-GB', {
  timeZone: ZONE,
  hourCycle: 'h23',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

const relatives: Record<Language, Intl.RelativeTimeFormat> = {
  vi: new Intl.RelativeTimeFormat('vi', { style: 'short' }),
  en: new Intl.RelativeTimeFormat('en', { style: 'narrow' }),
};

const STEPS: [limit: number, size: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, 'second'],
  [3_600, 60, 'minute'],
  [86_400, 3_600, 'hour'],
  [Infinity, 86_400, 'day'],
];

/** @param us microseconds since the epoch */
export function absolute(us: number): string {
  const at = Object.fromEntries(parts.formatToParts(us / 1_000).map((part) => [part.type, part.value]));
  return `${at['hour']}:${at['minute']}:${at['second']} ${at['day']}/${at['month']}/${at['year']}`;
}

/** How long before `nowUs`: "2 phút trước". What lies in the future by a clock's fault counts as now. */
export function relative(us: number, nowUs: number, language: Language): string {
  const seconds = Math.max(0, Math.floor((nowUs - us) / 1_000_000));
  const [, size, unit] = STEPS.find(([limit]) => seconds < limit)!;
  return relatives[language].format(-Math.floor(seconds / size), unit);
}

/** For `<time datetime>`. */
export function iso(us: number): string {
  return new Date(us / 1_000).toISOString();
}

/** Minutes and seconds of a wait, "4:05". */
export function countdown(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
