import { expect, test } from 'vitest';
import { phrase } from './phrase';

test('values go into their places, numbers as the locale writes them', () => {
  expect(phrase('{shown} trên {total}', { shown: 50, total: 1_312 }, 'vi-VN')).toBe('50 trên 1.312');
  expect(phrase('{shown} of {total}', { shown: 50, total: 1_312 }, 'en-GB')).toBe('50 of 1,312');
});

test('a form is chosen by number', () => {
  const text = 'Closed {n} {n|alert|alerts}.';
  expect(phrase(text, { n: 1 }, 'en-GB')).toBe('Closed 1 alert.');
  expect(phrase(text, { n: 2 }, 'en-GB')).toBe('Closed 2 alerts.');
});

test('a place nobody fills stays visible, and a value is never read as a place', () => {
  expect(phrase('{host}', {}, 'en-GB')).toBe('{host}');
  expect(phrase('{host}', { host: '{n|a|b} $& {n}', n: 1 }, 'en-GB')).toBe('{n|a|b} $& {n}');
});
