import { expect, test } from 'vitest';
import { yamlLines } from './yaml';

const RULE = `title: Shell
level: high   # how grave
User: not here
detection:
    shell:
        Image|endswith:
            - /bash # one
            - '/sh#not a comment'
        CommandLine|contains: -i
        User: root
    condition: shell
tags:
    - attack.execution`;

const lines = yamlLines(RULE, new Set(['Image', 'User']));

test('nothing is lost', () => {
  expect(lines.map((line) => line.tokens.map((token) => token.text).join('')).join('\n')).toBe(RULE);
});

test('lines of matched fields are found, with the values below them, in the detection only', () => {
  const hit = lines.flatMap((line, index) => (line.field ? [`${index}:${line.field}`] : []));
  expect(hit).toEqual(['5:Image', '6:Image', '7:Image', '9:User']);
});

test('comments are told from quoted signs', () => {
  const comments = lines.flatMap((line) => line.tokens.filter((token) => token.kind === 'comment'));
  expect(comments.map((token) => token.text.trim())).toEqual(['# how grave', '# one']);
});

test('a mapping written in one line is found too', () => {
  const flow = yamlLines(
    "detection:\n  a: {Image|endswith: /sh, User: root}\n  b: {Note: 'x, User: y'}",
    new Set(['User']),
  );
  expect(flow.map((line) => line.field)).toEqual([null, 'User', null]);
});
