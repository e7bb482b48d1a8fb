/** Just enough YAML to show a Sigma rule: what each line is, and which lines ask for a given field. */

export type TokenKind = 'key' | 'text' | 'comment' | 'sign';

export interface Token {
  kind: TokenKind;
  text: string;
}

export interface Line {
  tokens: Token[];
  /** The event field that this line belongs to: `CommandLine` for `CommandLine|contains:` and the values below. */
  field: string | null;
}

const KEY = /^(\s*(?:-\s+)*)([^\s#'"[\]{},][^:#]*?)(\s*:)(?=\s|$)(.*)$/;
/** A key of a mapping written in one line: `{CommandLine|contains: x, User: root}`. */
const FLOW_KEY = /[{,]\s*([^\s{}[\],:|'"]+)(?:\|[^\s{}[\],:'"]*)?\s*:(?=\s|$)/g;
const COMMENT = /(^|\s)#.*$/;

function tokens(line: string): Token[] {
  const found: Token[] = [];
  const add = (kind: TokenKind, text: string): void => void (text && found.push({ kind, text }));
  const comment = line.match(COMMENT);
  const quoted = comment && (line.slice(0, comment.index).split(/['"]/).length - 1) % 2 === 1;
  const code = comment && !quoted ? line.slice(0, comment.index) : line;
  const key = code.match(KEY);
  if (key) {
    add('sign', key[1]!);
    add('key', key[2]!);
    add('sign', key[3]!);
    add('text', key[4]!);
  } else {
    const dash = code.match(/^\s*(?:-\s+)*/)![0];
    add('sign', dash);
    add('text', code.slice(dash.length));
  }
  add('comment', line.slice(code.length));
  return found;
}

function flowFields(parts: Token[]): string[] {
  const text = parts.filter((part) => part.kind === 'text').map((part) => part.text);
  const bare = text.join('').replace(/'[^']*'|"[^"]*"/g, "''");
  return [...bare.matchAll(FLOW_KEY)].map((found) => found[1]!);
}

/** @param fields names of the fields that matched; only lines inside `detection:` are looked at */
export function yamlLines(source: string, fields: ReadonlySet<string>): Line[] {
  let inDetection = false;
  let field: string | null = null;
  let indent = 0;
  return source.split('\n').map((text) => {
    const parts = tokens(text);
    const key = parts.find((part) => part.kind === 'key')?.text;
    const depth = text.search(/[^\s-]/);
    if (key !== undefined && depth === 0) inDetection = key === 'detection';
    if (key !== undefined && (field === null || depth <= indent)) {
      const name = key.split('|')[0]!.trim();
      field = inDetection && fields.has(name) ? name : null;
      indent = depth;
    }
    const inLine = inDetection ? flowFields(parts).find((name) => fields.has(name)) : undefined;
    return { tokens: parts, field: text.trim() ? (field ?? inLine ?? null) : null };
  });
}
