import { expect, test } from 'vitest';
import { MessageParser } from './sse';

const STREAM = ': ping\n\nevent: alerts\nid: 7\ndata: {"a":\ndata:1}\n\n\n\ndata: plain\r\n\r\nid: 9\n\n';
const MESSAGES = [
  { event: 'alerts', data: '{"a":\n1}', id: '7' },
  { event: 'message', data: 'plain', id: '7' },
];

test.each([1, 2, 3, 7, 1_000])('pieces of %i characters', (size) => {
  const parser = new MessageParser();
  const found = [];
  for (let from = 0; from < STREAM.length; from += size)
    found.push(...parser.push(STREAM.slice(from, from + size)));
  expect(found).toEqual(MESSAGES);
});

test('an unfinished message is not delivered', () => {
  expect(new MessageParser().push('data: half')).toEqual([]);
});
