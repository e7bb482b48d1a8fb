/** Which alerts the queue shows: kept in the address, so that a view can be sent to a colleague. */

import { LEVELS, STATUSES, type AlertRow, type Level, type Status, type Totals } from './documents';

export type StatusFilter = Status | 'all';

export interface Filters {
  status: StatusFilter;
  levels: Level[];
  host: string;
  rule: string;
  q: string;
}

export const NO_FILTERS: Filters = { status: 'open', levels: [], host: '', rule: '', q: '' };

/** @param search the address's query, with or without `?`; what it does not understand it ignores */
export function fromSearch(search: string): Filters {
  const query = new URLSearchParams(search);
  const status = query.get('status');
  const levels = (query.get('level') ?? '').split(',');
  return {
    status: status === 'all' ? 'all' : (STATUSES.find((known) => known === status) ?? NO_FILTERS.status),
    levels: LEVELS.filter((level) => levels.includes(level)),
    host: query.get('host') ?? '',
    rule: query.get('rule') ?? '',
    q: query.get('q') ?? '',
  };
}

/** The shortest query that means these filters: '' for the default view. */
export function toSearch(filters: Filters): string {
  const query = new URLSearchParams();
  if (filters.status !== NO_FILTERS.status) query.set('status', filters.status);
  if (filters.levels.length) query.set('level', filters.levels.join(','));
  if (filters.host) query.set('host', filters.host);
  if (filters.rule) query.set('rule', filters.rule);
  if (filters.q) query.set('q', filters.q);
  const text = query.toString().replaceAll('%2C', ',');
  return text && '?' + text;
}

/** The same filters as the API wants them: the status is always said. */
export function toApi(filters: Filters, limit: number, cursor: string | null): string {
  const query = new URLSearchParams(toSearch(filters));
  query.set('status', filters.status);
  query.set('limit', String(limit));
  if (cursor !== null) query.set('cursor', cursor);
  return query.toString().replaceAll('%2C', ',');
}

/** Is anything beyond the status asked, that a person could lift? */
export function isNarrowed(filters: Filters): boolean {
  return Boolean(filters.host || filters.rule || filters.q || filters.levels.length);
}

/** Without case and accents, đ as d: what a hurried person types finds what a rule says. */
export function fold(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .replaceAll('đ', 'd');
}

/** How many the server would list, where the live totals alone can tell; null where it must be asked. */
export function countFrom(totals: Totals | null, filters: Filters): number | null {
  if (!totals || filters.host || filters.rule || filters.q) return null;
  if (filters.status === 'open' && filters.levels.length) {
    return filters.levels.reduce((sum, level) => sum + (totals.by_level[level] ?? 0), 0);
  }
  if (filters.levels.length) return null;
  if (filters.status !== 'all') return totals[filters.status] ?? null;
  const { open, acknowledged, closed } = totals;
  return acknowledged === undefined || closed === undefined ? null : open + acknowledged + closed;
}

/** Would the server list this row? Exact but for `q`, where the server has the last word on a reload. */
export function accepts(filters: Filters, row: AlertRow): boolean {
  if (filters.status !== 'all' && row.status !== filters.status) return false;
  if (filters.levels.length && !filters.levels.includes(row.level)) return false;
  if (filters.host && row.host !== filters.host) return false;
  if (filters.rule && row.rule_id !== filters.rule) return false;
  if (!filters.q) return true;
  const { titles, host, user, node, rule_id, summary } = row;
  const text = fold([titles.vi, titles.en, host, user, node, rule_id, summary].join('\n'));
  return fold(filters.q)
    .split(/\s+/)
    .every((word) => text.includes(word));
}
