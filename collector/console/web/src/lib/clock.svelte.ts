/** The collector's time, ticking: an office PC's own clock may be hours off. */

const TICK_MS = 5_000;

class Clock {
  #offsetMs = 0;
  #beat = $state(Date.now());

  constructor() {
    setInterval(() => (this.#beat = Date.now()), TICK_MS);
  }

  /** Microseconds since the epoch by the collector's clock, moving every five seconds. */
  get nowUs(): number {
    return (this.#beat + this.#offsetMs) * 1_000;
  }

  /** Learn the offset from an answer's `Date` header (whole seconds). */
  learn(date: string | null): void {
    const served = date === null ? NaN : Date.parse(date);
    if (Number.isNaN(served)) return;
    const offset = served + 500 - Date.now();
    this.#offsetMs = Math.abs(offset) > 2_000 ? offset : 0;
  }
}

export const clock = new Clock();
