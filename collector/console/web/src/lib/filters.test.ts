import { expect, test } from 'vitest';
import type { AlertRow } from './documents';
import { accepts, countFrom, fold, fromSearch, NO_FILTERS, toApi, toSearch, type Filters } from './filters';

const row = {
  id: 'a',
  rule_id: 'r1',
  titles: { vi: 'Đăng nhập sai', en: 'Failed log-in' },
  level: 'high',
  status: 'open',
  host: 'web-1',
  user: 'root',
  node: 'tinh/so-a',
  summary: 'bash -i',
} as AlertRow;

test('the default view has no query', () => {
  expect(toSearch(NO_FILTERS)).toBe('');
  expect(fromSearch('')).toEqual(NO_FILTERS);
});

test('filters survive the address', () => {
  const filters: Filters = {
    status: 'all',
    levels: ['critical', 'high'],
    host: 'web 1/&?',
    rule: 'r1',
    q: 'đăng nhập +1 100%',
  };
  expect(fromSearch(toSearch(filters))).toEqual(filters);
  expect(toSearch(filters)).toContain('level=critical,high');
});

test('nonsense in the address is ignored', () => {
  expect(fromSearch('?status=x&level=high,wild&level=low&cursor=9')).toEqual({
    ...NO_FILTERS,
    levels: ['high'],
  });
});

test('the API is always told the status', () => {
  expect(toApi(NO_FILTERS, 100, null)).toBe('status=open&limit=100');
  expect(toApi(NO_FILTERS, 100, 'c+/=')).toBe('status=open&limit=100&cursor=c%2B%2F%3D');
});

test('accents and đ do not hinder a search', () => {
  expect(fold('Đăng NHẬP')).toBe('dang nhap');
  expect(accepts({ ...NO_FILTERS, q: 'dang nhap' }, row)).toBe(true);
});

test.each<[Partial<Filters>, boolean]>([
  [{}, true],
  [{ status: 'closed' }, false],
  [{ status: 'all' }, true],
  [{ levels: ['low'] }, false],
  [{ levels: ['low', 'high'] }, true],
  [{ host: 'web-2' }, false],
  [{ rule: 'r2' }, false],
  [{ q: 'BASH' }, true],
  [{ q: 'bash sai root' }, true],
  [{ q: 'bash zsh' }, false],
  [{ q: 'zsh' }, false],
])('%o', (part, fits) => expect(accepts({ ...NO_FILTERS, ...part }, row)).toBe(fits));

test('the live totals tell a count only where they can', () => {
  const totals = { open: 12, acknowledged: 5, closed: 7, by_level: { critical: 4, high: 8 } };
  const count = (part: Partial<Filters>): number | null => countFrom(totals, { ...NO_FILTERS, ...part });
  expect(count({})).toBe(12);
  expect(count({ levels: ['critical', 'low'] })).toBe(4);
  expect(count({ status: 'closed' })).toBe(7);
  expect(count({ status: 'all' })).toBe(24);
  expect(count({ status: 'closed', levels: ['high'] })).toBeNull();
  expect(count({ q: 'x' })).toBeNull();
  expect(countFrom({ open: 12, by_level: {} }, { ...NO_FILTERS, status: 'closed' })).toBeNull();
  expect(countFrom(null, NO_FILTERS)).toBeNull();
});
