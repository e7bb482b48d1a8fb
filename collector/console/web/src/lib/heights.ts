/** Heights of many rows with their running sums: a Fenwick tree, so that 100,000 rows cost as little as ten. */

export class Heights {
  readonly length: number;
  readonly #heights: Float64Array;
  readonly #sums: Float64Array;
  readonly #top: number;

  /** @param heightOf the height in pixels, measured or estimated, of row `index` */
  constructor(length: number, heightOf: (index: number) => number) {
    this.length = length;
    this.#heights = new Float64Array(length);
    this.#sums = new Float64Array(length + 1);
    this.#top = 2 ** Math.floor(Math.log2(Math.max(1, length)));
    for (let index = 0; index < length; index++) {
      this.#heights[index] = heightOf(index);
      this.#sums[index + 1] = this.#heights[index]!;
    }
    for (let node = 1; node <= length; node++) {
      const parent = node + (node & -node);
      if (parent <= length) this.#sums[parent]! += this.#sums[node]!;
    }
  }

  /** Pixels above row `index`; the total for `length`. */
  offset(index: number): number {
    let sum = 0;
    for (let node = Math.min(index, this.length); node > 0; node -= node & -node) sum += this.#sums[node]!;
    return sum;
  }

  get total(): number {
    return this.offset(this.length);
  }

  /** The row that covers pixel `y`; the nearest one when `y` lies outside. */
  at(y: number): number {
    let index = 0;
    let rest = Math.max(0, y);
    for (let step = this.#top; step > 0; step >>= 1) {
      const node = index + step;
      if (node <= this.length && this.#sums[node]! <= rest) {
        index = node;
        rest -= this.#sums[node]!;
      }
    }
    return Math.max(0, Math.min(index, this.length - 1));
  }

  /** @returns whether the height differs from the one known */
  set(index: number, height: number): boolean {
    const change = height - this.#heights[index]!;
    if (change === 0) return false;
    this.#heights[index] = height;
    for (let node = index + 1; node <= this.length; node += node & -node) this.#sums[node]! += change;
    return true;
  }
}
