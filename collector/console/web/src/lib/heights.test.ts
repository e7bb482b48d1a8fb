import { expect, test } from 'vitest';
import { Heights } from './heights';

function naive(sizes: number[], y: number): number {
  let top = 0;
  for (const [index, size] of sizes.entries()) {
    if (y < top + size) return index;
    top += size;
  }
  return sizes.length - 1;
}

test('sums and look-ups agree with counting by hand, through many changes', () => {
  const sizes = Array.from({ length: 137 }, (_, index) => 20 + ((index * 31) % 70));
  const heights = new Heights(sizes.length, (index) => sizes[index]!);
  for (let round = 0; round < 500; round++) {
    const index = (round * 53) % sizes.length;
    sizes[index] = 10 + ((round * 17) % 90);
    heights.set(index, sizes[index]!);
    const y = (round * 977) % 9_000;
    expect(heights.at(y)).toBe(naive(sizes, y));
    const upTo = (round * 29) % (sizes.length + 1);
    expect(heights.offset(upTo)).toBe(sizes.slice(0, upTo).reduce((a, b) => a + b, 0));
  }
});

test('says whether a height is news', () => {
  const heights = new Heights(2, () => 60);
  expect(heights.set(0, 60)).toBe(false);
  expect(heights.set(0, 61)).toBe(true);
  expect(heights.total).toBe(121);
});

test('nothing to list, and pixels outside the list', () => {
  const none = new Heights(0, () => 60);
  expect([none.total, none.at(50)]).toEqual([0, 0]);
  const some = new Heights(3, () => 10);
  expect([some.at(-5), some.at(1e9)]).toEqual([0, 2]);
});
