import { expect, test } from 'vitest';
import { head, pieces } from './hostile';

const shown = (text: string): string =>
  pieces(text)
    .map((piece) => piece.text)
    .join('');

test('plain text, Vietnamese and right-to-left letters pass as they are', () => {
  for (const text of ['ls -la /tmp', 'Tạo tài khoản đặc quyền', 'تقرير', 'a\n\tb', ''])
    expect(shown(text)).toBe(text);
});

test('terminal escapes and direction overrides become visible and are marked', () => {
  expect(shown('\x1b[31mred')).toBe('⟨ESC⟩[31mred');
  expect(pieces('a\u202eb')).toEqual([{ text: 'a' }, { text: '⟨U+202E⟩', codes: 'U+202E' }, { text: 'b' }]);
  expect(shown('\u{e0041}')).toBe('⟨U+E0041⟩');
});

test('no unseen character is left however many there are, and the pieces stay few', () => {
  const text = 'x\u200b'.repeat(100_000);
  const found = pieces(text);
  expect(found.length).toBeLessThan(1_000);
  expect(found.some((piece) => piece.text.includes('\u200b'))).toBe(false);
  expect(found.map((piece) => piece.text).join('')).toBe('x⟨U+200B⟩'.repeat(100_000));
});

test('cutting never splits a surrogate pair', () => {
  expect(head('ab😀', 3)).toBe('ab');
  expect(head('ab😀', 4)).toBe('ab😀');
});
