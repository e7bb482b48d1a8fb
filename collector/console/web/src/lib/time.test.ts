import { expect, test } from 'vitest';
import { absolute, countdown, iso, relative } from './time';

const MIDNIGHT_UTC = Date.UTC(2026, 10, 24) * 1_000;

test('times are shown in Asia/Ho_Chi_Minh, day first', () => {
  expect(absolute(MIDNIGHT_UTC)).toBe('07:00:00 24/11/2026');
  expect(absolute(MIDNIGHT_UTC + 17 * 3_600_000_000)).toBe('00:00:00 25/11/2026');
  expect(iso(MIDNIGHT_UTC)).toBe('2026-11-24T00:00:00.000Z');
});

test.each([
  [0, '0 giây trước', '0s ago'],
  [59, '59 giây trước', '59s ago'],
  [7_199, '1 giờ trước', '1h ago'],
  [172_800, '2 ngày trước', '2d ago'],
])('%i seconds ago', (seconds, vi, en) => {
  const then = MIDNIGHT_UTC - seconds * 1_000_000;
  expect(relative(then, MIDNIGHT_UTC, 'vi')).toBe(vi);
  expect(relative(then, MIDNIGHT_UTC, 'en')).toBe(en);
});

test('minutes, whichever way this ICU abbreviates them', () => {
  expect(relative(MIDNIGHT_UTC - 60_000_000, MIDNIGHT_UTC, 'vi')).toBe('1 phút trước');
  expect(relative(MIDNIGHT_UTC - 60_000_000, MIDNIGHT_UTC, 'en')).toMatch(/^1m(in)? ago$/);
});

test('a time ahead of the clock is now, not in the future', () => {
  expect(relative(MIDNIGHT_UTC + 5_000_000, MIDNIGHT_UTC, 'en')).toBe('0s ago');
});

test('a wait counts down to zero and no further', () => {
  expect(countdown(244.2)).toBe('4:05');
  expect(countdown(-3)).toBe('0:00');
});
