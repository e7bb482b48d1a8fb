/** The one live connection of this tab: what changes, the header's numbers, and whether the line is up. */

import { endSession, request } from './api';
import type { Delta, Summary, Totals } from './documents';
import { readStream } from './sse';

const SUMMARY_MS = 30_000;
const HIDDEN_GRACE_MS = 10_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000];

/** After a line has been down this long, people are told. */
const TELL_AFTER_MS = 2_500;

type Listener = (delta: Delta) => void;

class Live {
  summary = $state.raw<Summary | null>(null);
  totals = $state.raw<Totals | null>(null);
  /** The line has been down long enough for the page to be out of date. */
  lost = $state(false);
  #listeners = new Set<Listener>();
  #run: AbortController | null = null;
  #wake: (() => void) | null = null;
  #lastId = '';
  #failures = 0;

  /**
   * Start with a session, call the result to stop.
   *
   * @param alerts whether the person may see alerts at all
   */
  start(alerts: boolean): () => void {
    const poll = setInterval(() => void this.refreshSummary(), SUMMARY_MS);
    const seen = (): void => {
      if (alerts) this.#visibility();
    };
    document.addEventListener('visibilitychange', seen);
    void this.refreshSummary();
    seen();
    return () => {
      clearInterval(poll);
      document.removeEventListener('visibilitychange', seen);
      this.#run?.abort();
      this.#run = null;
      this.#lastId = '';
      this.lost = false;
      this.summary = this.totals = null;
    };
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A list as of `version` was read: before the first change has come, that is where to resume. */
  knows(version: number): void {
    this.#lastId ||= String(version);
  }

  retryNow(): void {
    this.#wake?.();
  }

  async refreshSummary(): Promise<void> {
    if (document.hidden) return;
    try {
      this.summary = await request<Summary>('GET', '/summary');
      const { open, by_level } = this.summary;
      this.totals = { ...this.totals, open, by_level };
    } catch (error) {
      console.info('lienphong: no summary', error);
    }
  }

  /** A hidden tab gives its connection back: browsers allow six to a host, and a dozen alert tabs are common. */
  #visibility(): void {
    if (!document.hidden) {
      if (this.#run) return;
      this.#run = new AbortController();
      void this.#connect(this.#run.signal);
      return;
    }
    setTimeout(() => {
      if (!document.hidden) return;
      this.#run?.abort();
      this.#run = null;
    }, HIDDEN_GRACE_MS);
  }

  async #connect(signal: AbortSignal): Promise<void> {
    this.#failures = 0;
    let tell = this.#tellLater(signal);
    const opened = (): void => {
      clearTimeout(tell);
      this.lost = false;
      this.#failures = 0;
    };
    while (!signal.aborted) {
      const error = await readStream('/stream', this.#lastId, signal, opened, (message) => {
        if (message.id) this.#lastId = message.id;
        if (message.event === 'signed_out') endSession();
        if (message.event === 'alerts') this.#take(JSON.parse(message.data) as Delta);
      });
      if (signal.aborted || error.status === 401) break;
      if (this.#failures === 0) {
        clearTimeout(tell);
        tell = this.#tellLater(signal);
      }
      await this.#pause();
    }
    clearTimeout(tell);
  }

  #tellLater(signal: AbortSignal): number {
    return window.setTimeout(() => (this.lost = !signal.aborted), TELL_AFTER_MS);
  }

  async #pause(): Promise<void> {
    const base = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)]!;
    // Jitter: a restarted collector must not meet every console at the same instant.
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, base * (0.5 + Math.random()));
    });
    this.#wake = null;
  }

  #take(delta: Delta): void {
    this.totals = delta.totals;
    for (const listener of this.#listeners) listener(delta);
  }
}

export const live = new Live();
