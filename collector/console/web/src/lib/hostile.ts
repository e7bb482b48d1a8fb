/**
 * Text that an attacker may have written, made safe to look at.
 *
 * Nothing here is about HTML: text only ever becomes text nodes. It is about characters that lie to the eye:
 * terminal escapes, direction overrides (CVE-2021-42574) and invisible ones become signs that can be seen.
 */

export interface Piece {
  text: string;
  /** Set when `text` stands for characters that cannot be seen: their code points, for a tooltip. */
  codes?: string;
}

/** C0 and C1 controls but newline and tab, soft hyphen, zero-width and direction characters, BOM, tags. */
const UNSEEN =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
const RUNS =
  /(?:[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}])+/gu;

/** More pieces than this would make the page slow: then the signs stay inside the text. */
const MAX_PIECES = 400;

function code(sign: string): string {
  return 'U+' + sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
}

/** Those that terminals act on have names people know. */
const NAMES: Record<string, string> = {
  '\0': 'NUL',
  '\x07': 'BEL',
  '\b': 'BS',
  '\r': 'CR',
  '\x1b': 'ESC',
  '\x7f': 'DEL',
};

/** A visible stand-in that every font can draw: ⟨ESC⟩, ⟨U+202E⟩. */
function visible(sign: string): string {
  return `\u27e8${NAMES[sign] ?? code(sign)}\u27e9`;
}

/** The text in pieces, with what cannot be seen made visible. Nothing is dropped. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const run of text.matchAll(RUNS)) {
    if (found.length >= MAX_PIECES) break;
    if (run.index > from) found.push({ text: text.slice(from, run.index) });
    const signs = [...run[0].slice(0, 64)];
    found.push({
      text: run[0].replace(UNSEEN, visible),
      codes: signs.map(code).join(' '),
    });
    from = run.index + run[0].length;
  }
  const rest = text.slice(from).replace(UNSEEN, visible);
  if (rest) found.push({ text: rest });
  return found;
}

/** The first `limit` characters, never cutting a surrogate pair. */
export function head(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}
