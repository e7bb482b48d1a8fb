/** The alert queue's state: it outlives the page, so that coming back from an alert finds the same place. */

import { ApiError, request, toApiError } from './api';
import type { AlertPage, AlertRow, Delta } from './documents';
import { accepts, countFrom, NO_FILTERS, toApi, toSearch, type Filters } from './filters';
import { live } from './live.svelte';
import { Rows, type Removed } from './rows';

const PAGE = 100;
const RECOUNT_MS = 3_000;
/** With more rows than this loaded, going back to the top starts a new list. */
const MOST_ROWS = 2_000;

class Queue {
  filters = $state.raw<Filters>(NO_FILTERS);
  loading = $state(false);
  error = $state.raw<ApiError | null>(null);
  active = $state<string | null>(null);
  selected = $state.raw<ReadonlySet<string>>(new Set());
  scrollTop = 0;
  #rows = new Rows();
  #version = $state(0);
  #loaded = $state(false);
  #request = 0;
  /** Deltas that arrive while a page is on its way: the page may be older than they are. */
  #meanwhile: Delta[] = [];
  #recount: number | undefined;

  constructor() {
    live.listen((delta) => this.#take(delta));
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  get order(): readonly string[] {
    void this.#version;
    return this.#rows.order;
  }

  row(id: string): AlertRow | undefined {
    void this.#version;
    return this.#rows.get(id);
  }

  /** How many the filters find at the server, not how many are loaded. */
  get total(): number {
    void this.#version;
    return countFrom(live.totals, this.filters) ?? this.#rows.total;
  }

  /** What waits above the list: how many, whether there may be more, and the gravest level among them. */
  get fresh(): { count: number; more: boolean; rows: AlertRow[] } {
    void this.#version;
    const rows = [...this.#rows.fresh.values()];
    return { count: rows.length + this.#rows.unseen, more: this.#rows.unseen > 0, rows };
  }

  /** Does a row still belong here, or did someone else's action leave it standing only so that nothing jumps? */
  fits(row: AlertRow): boolean {
    return accepts(this.filters, row);
  }

  /** Show what the address asks for; the same filters again keep everything as it stands. */
  show(filters: Filters): void {
    if ((this.#loaded || this.loading) && toSearch(filters) === toSearch(this.filters)) return;
    this.filters = filters;
    void this.reload();
  }

  async reload(): Promise<void> {
    this.selected = new Set();
    this.scrollTop = 0;
    await this.#load(null, (page) => {
      this.#rows.reset(page);
      this.#loaded = true;
      if (!this.#rows.get(this.active ?? '')) this.active = null;
    });
  }

  async more(): Promise<void> {
    const cursor = this.#rows.next;
    if (cursor === null || this.loading || this.error) return;
    await this.#load(cursor, (page) => this.#rows.append(page));
  }

  async retry(): Promise<void> {
    this.error = null;
    await (this.#loaded && this.#rows.next !== null ? this.more() : this.reload());
  }

  /** Another person may sign in on this browser: nothing of the last one's view stays. */
  forget(): void {
    this.#request++;
    this.#rows = new Rows();
    this.#loaded = this.loading = false;
    this.error = this.active = null;
    this.filters = NO_FILTERS;
    this.selected = new Set();
    this.#version++;
  }

  /** The "N new" pill: put what waits on top. */
  async takeFresh(): Promise<void> {
    if (this.#rows.unseen > 0 || this.#rows.order.length > MOST_ROWS) return this.reload();
    this.#rows.merge(this.filters);
    this.#prune();
    this.#version++;
  }

  toggle(id: string): void {
    const selected = new Set(this.selected);
    if (!selected.delete(id)) selected.add(id);
    this.selected = selected;
  }

  selectAll(ids: Iterable<string>): void {
    this.selected = new Set(ids);
  }

  clearSelection(): void {
    this.selected = new Set();
  }

  /** Repaint rows whose new state this tab caused itself; those that no longer fit leave the list. */
  settle(ids: string[], status: AlertRow['status']): Removed[] {
    const rows = ids.flatMap((id) => this.#rows.get(id) ?? []);
    const before = rows.map((row) => ({ ...row }));
    this.#rows.apply(
      rows.map((row) => ({ ...row, status })),
      0,
      this.filters,
    );
    const leaving = rows.filter((row) => !accepts(this.filters, { ...row, status })).map((row) => row.id);
    this.#moveActiveOff(new Set(leaving));
    const removed = this.#rows.remove(leaving);
    this.#prune();
    this.#version++;
    const old = new Map(before.map((row) => [row.id, row]));
    return removed.map(({ index, row }) => ({ index, row: old.get(row.id) ?? row }));
  }

  putBack(removed: Removed[]): void {
    this.#rows.restore(removed);
    this.active = removed[0]?.row.id ?? this.active;
    this.#version++;
  }

  neighbours(id: string): { index: number; previous: string | null; next: string | null } {
    const order = this.order;
    const index = order.indexOf(id);
    if (index < 0) return { index, previous: null, next: null };
    return { index, previous: order[index - 1] ?? null, next: order[index + 1] ?? null };
  }

  async #load(cursor: string | null, use: (page: AlertPage) => void): Promise<void> {
    const turn = ++this.#request;
    this.loading = true;
    this.error = null;
    this.#meanwhile = [];
    try {
      const page = await request<AlertPage>('GET', '/alerts?' + toApi(this.filters, PAGE, cursor));
      if (turn !== this.#request) return;
      use(page);
      live.knows(page.version);
      for (const delta of this.#meanwhile) this.#rows.apply(delta.changed, delta.more, this.filters);
      this.#version++;
    } catch (error) {
      if (turn === this.#request) this.error = toApiError(error);
    } finally {
      if (turn === this.#request) this.loading = false;
    }
  }

  #take(delta: Delta): void {
    if (this.loading) this.#meanwhile.push(delta);
    if (!this.#loaded) return;
    this.#rows.apply(delta.changed, delta.more, this.filters);
    // An empty list has nothing that could jump: what comes first is shown at once.
    if (!this.#rows.order.length && !this.loading) void this.takeFresh();
    if (countFrom(delta.totals, this.filters) === null) this.#recountSoon();
    this.#version++;
  }

  #recountSoon(): void {
    this.#recount ??= window.setTimeout(async () => {
      this.#recount = undefined;
      try {
        const page = await request<AlertPage>('GET', '/alerts?' + toApi(this.filters, 1, null));
        this.#rows.total = page.total;
        this.#version++;
      } catch (error) {
        console.info('lienphong: no recount', error);
      }
    }, RECOUNT_MS);
  }

  #prune(): void {
    const kept = [...this.selected].filter((id) => this.#rows.get(id));
    if (kept.length !== this.selected.size) this.selected = new Set(kept);
  }

  #moveActiveOff(leaving: Set<string>): void {
    if (this.active === null || !leaving.has(this.active)) return;
    const order = this.#rows.order;
    const from = order.indexOf(this.active);
    const stays = (id: string): boolean => !leaving.has(id);
    this.active = order.slice(from).find(stays) ?? order.slice(0, from).findLast(stays) ?? null;
  }
}

export const queue = new Queue();
