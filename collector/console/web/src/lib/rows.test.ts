import { beforeEach, expect, test } from 'vitest';
import type { AlertRow } from './documents';
import { NO_FILTERS } from './filters';
import { MOST_FRESH, Rows } from './rows';

function row(id: string, last_us: number, part: Partial<AlertRow> = {}): AlertRow {
  return { id, last_us, version: 1, status: 'open', level: 'high', titles: {}, ...part } as AlertRow;
}

let rows: Rows;

beforeEach(() => {
  rows = new Rows();
  rows.reset({ items: [row('c', 30), row('b', 20), row('a', 10)], total: 9, next: 'n', version: 1 });
});

test('a change repaints its row and moves nothing', () => {
  rows.apply([row('a', 99, { version: 2, count: 5 })], 0, NO_FILTERS);
  expect(rows.order).toEqual(['c', 'b', 'a']);
  expect(rows.get('a')?.count).toBe(5);
  expect(rows.fresh.size).toBe(0);
});

test('an older version never overwrites a newer one', () => {
  rows.apply([row('a', 99, { version: 3, count: 5 })], 0, NO_FILTERS);
  rows.apply([row('a', 98, { version: 2, count: 4 })], 0, NO_FILTERS);
  expect(rows.get('a')?.count).toBe(5);
});

test('a new row waits until it is asked for, then all are in order', () => {
  rows.apply([row('d', 15, { version: 2 }), row('a', 40, { version: 3 })], 0, NO_FILTERS);
  expect([...rows.fresh.keys()]).toEqual(['d']);
  rows.merge(NO_FILTERS);
  expect(rows.order).toEqual(['a', 'c', 'b', 'd']);
  expect(rows.fresh.size).toBe(0);
});

test('a row that no longer fits stays in its place until the next merge', () => {
  rows.apply([row('b', 20, { version: 2, status: 'closed' })], 0, NO_FILTERS);
  expect(rows.order).toEqual(['c', 'b', 'a']);
  rows.merge(NO_FILTERS);
  expect(rows.order).toEqual(['c', 'a']);
});

test('a waiting row that stops fitting waits no longer', () => {
  rows.apply([row('d', 50, { version: 2 })], 0, NO_FILTERS);
  rows.apply([row('d', 50, { version: 3, status: 'closed' })], 0, NO_FILTERS);
  expect(rows.fresh.size).toBe(0);
});

test('a page that overlaps lists nothing twice and takes what waited', () => {
  rows.apply([row('z', 5, { version: 2 })], 0, NO_FILTERS);
  rows.append({ items: [row('a', 10), row('z', 5, { version: 2 })], total: 9, next: null, version: 2 });
  expect(rows.order).toEqual(['c', 'b', 'a', 'z']);
  expect(rows.fresh.size).toBe(0);
  expect(rows.next).toBeNull();
});

test('what was removed comes back where it stood, in its newest state', () => {
  const removed = rows.remove(['c', 'b']);
  expect(rows.order).toEqual(['a']);
  rows.apply([row('b', 20, { version: 4, count: 7 })], 0, NO_FILTERS);
  rows.restore(removed);
  expect(rows.order).toEqual(['c', 'b', 'a']);
  expect(rows.get('b')?.count).toBe(7);
  expect(rows.fresh.size).toBe(0);
});

test('changes that the server did not spell out are counted', () => {
  rows.apply([], 40, NO_FILTERS);
  expect(rows.unseen).toBe(40);
  rows.reset({ items: [], total: 0, next: null, version: 5 });
  expect(rows.unseen).toBe(0);
});

test('what waits is bounded: the rest is counted and read again later', () => {
  const many = Array.from({ length: MOST_FRESH + 40 }, (_, index) => row(`n${index}`, 100 + index));
  rows.apply(many, 0, NO_FILTERS);
  expect(rows.fresh.size).toBe(MOST_FRESH);
  expect(rows.unseen).toBe(40);
});
