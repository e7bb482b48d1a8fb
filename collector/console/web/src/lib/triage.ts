/** Acknowledge, close, reopen: by the ids a person saw, and with a way back that restores each one's old state. */

import { request, toApiError } from './api';
import type { Action, ActionResult, AlertRow, Status } from './documents';
import { explain } from './explain';
import { t } from './language.svelte';
import { queue } from './queue.svelte';
import { toasts } from './toasts.svelte';

/** The server takes at most this many ids at once. */
const CHUNK = 500;

export const RESULT: Record<Action, Status> = {
  acknowledge: 'acknowledged',
  close: 'closed',
  reopen: 'open',
};

const WAY_BACK: Record<Status, Action[]> = {
  open: ['reopen'],
  acknowledged: ['reopen', 'acknowledge'],
  closed: ['close'],
};

/** The steps that bring alerts back to the status they had, by that status. */
export function stepsBack(before: Map<string, Status>): { action: Action; ids: string[] }[] {
  const steps: { action: Action; ids: string[] }[] = [];
  for (const status of Object.keys(WAY_BACK) as Status[]) {
    const ids = [...before].filter(([, old]) => old === status).map(([id]) => id);
    if (ids.length) steps.push(...WAY_BACK[status].map((action) => ({ action, ids })));
  }
  return steps;
}

async function post(ids: string[], action: Action, note: string): Promise<ActionResult> {
  const sum: ActionResult = { changed: [], unchanged: [], missing: [] };
  for (let from = 0; from < ids.length; from += CHUNK) {
    const part = ids.slice(from, from + CHUNK);
    const result = await request<ActionResult>('POST', '/alerts/actions', { ids: part, action, note });
    sum.changed.push(...result.changed);
    sum.unchanged.push(...result.unchanged);
    sum.missing.push(...result.missing);
  }
  return sum;
}

function fail(error: unknown): void {
  toasts.show(t('toast.failed', { why: explain(toApiError(error)) }), 'failed');
}

/**
 * Do `action` to exactly these alerts and offer the way back.
 *
 * @returns whether the server took it; failures have been told to the person
 */
export async function act(rows: AlertRow[], action: Action, note = ''): Promise<boolean> {
  const status = RESULT[action];
  const before = new Map(rows.filter((row) => row.status !== status).map((row) => [row.id, row.status]));
  if (!before.size) {
    toasts.show(t(`toast.already.${status}`, { n: rows.length }));
    return true;
  }
  try {
    const { changed, missing } = await post([...before.keys()], action, note);
    const removed = queue.settle(changed, status);
    const done = new Map(changed.map((id) => [id, before.get(id)!]));
    const text = t(`toast.${action}`, { n: changed.length });
    const lost = missing.length ? ' ' + t('toast.missing', { n: missing.length }) : '';
    toasts.show(text + lost, 'done', () => void undo(done, () => queue.putBack(removed)));
    return true;
  } catch (error) {
    fail(error);
    return false;
  }
}

async function undo(before: Map<string, Status>, putBack: () => void): Promise<void> {
  try {
    for (const { action, ids } of stepsBack(before)) await post(ids, action, t('note.undo'));
    for (const [id, status] of before) queue.settle([id], status);
    putBack();
    toasts.show(t('toast.undone', { n: before.size }));
  } catch (error) {
    fail(error);
  }
}
