/**
 * The rows a person is looking at, and what has changed since.
 *
 * Rows never move under the eye: a change repaints a row in its place, a new one waits in `fresh` until asked for.
 */

import type { AlertPage, AlertRow } from './documents';
import { accepts, type Filters } from './filters';

/** A tab that nobody looks at for a fortnight must not grow: beyond this many, waiting rows are only counted. */
export const MOST_FRESH = 500;

function newestFirst(a: AlertRow, b: AlertRow): number {
  return b.last_us - a.last_us || (a.id < b.id ? 1 : -1);
}

export interface Removed {
  index: number;
  row: AlertRow;
}

export class Rows {
  /** Ids from top to bottom; always a new array when it changes, so that whoever shows it notices. */
  order: readonly string[] = [];
  next: string | null = null;
  total = 0;
  /** Rows that belong on top once the person wants them. */
  readonly fresh = new Map<string, AlertRow>();
  /** Changes the server did not spell out: only a reload knows them. */
  unseen = 0;
  readonly #rows = new Map<string, AlertRow>();

  get(id: string): AlertRow | undefined {
    return this.#rows.get(id);
  }

  reset(page: AlertPage): void {
    this.order = [];
    this.#rows.clear();
    this.fresh.clear();
    this.unseen = 0;
    this.append(page);
  }

  /** Add the next page; a row that moved up meanwhile is not listed twice. */
  append(page: AlertPage): void {
    const ids = new Set(this.order);
    const added: string[] = [];
    for (const row of page.items) {
      const known = this.#rows.get(row.id);
      if (!known || known.version <= row.version) this.#rows.set(row.id, row);
      this.fresh.delete(row.id);
      if (!ids.has(row.id)) added.push(row.id);
      ids.add(row.id);
    }
    this.order = [...this.order, ...added];
    this.next = page.next;
    this.total = page.total;
  }

  /** Take in the server's changes. */
  apply(changed: AlertRow[], more: number, filters: Filters): void {
    this.unseen += more;
    for (const row of changed) {
      const known = this.#rows.get(row.id) ?? this.fresh.get(row.id);
      if (known && known.version > row.version) continue;
      if (this.#rows.has(row.id)) this.#rows.set(row.id, row);
      else if (accepts(filters, row)) this.#wait(row);
      else this.fresh.delete(row.id);
    }
  }

  #wait(row: AlertRow): void {
    if (this.fresh.has(row.id) || this.fresh.size < MOST_FRESH) this.fresh.set(row.id, row);
    else this.unseen++;
  }

  /** Put the fresh rows in, newest first, and let go of those that no longer fit the filters. */
  merge(filters: Filters): void {
    for (const [id, row] of this.fresh) this.#rows.set(id, row);
    for (const [id, row] of this.#rows) if (!accepts(filters, row)) this.#rows.delete(id);
    this.order = [...this.#rows.values()].sort(newestFirst).map((row) => row.id);
    this.fresh.clear();
  }

  /** A person's own action took these out of the view; `restore` undoes exactly this. */
  remove(ids: Iterable<string>): Removed[] {
    const gone = new Set(ids);
    const removed: Removed[] = [];
    this.order = this.order.filter((id, index) => {
      if (!gone.has(id)) return true;
      removed.push({ index, row: this.#rows.get(id)! });
      this.#rows.delete(id);
      return false;
    });
    return removed;
  }

  restore(removed: Removed[]): void {
    const order = [...this.order];
    for (const { index, row } of removed) {
      const newer = this.fresh.get(row.id);
      this.fresh.delete(row.id);
      if (this.#rows.has(row.id)) continue;
      this.#rows.set(row.id, newer ?? row);
      order.splice(index, 0, row.id);
    }
    this.order = order;
  }
}
