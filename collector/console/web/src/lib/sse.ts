/**
 * Server-sent events over `fetch`: unlike EventSource it shows the status, resumes where we say, and notices a
 * link that died in silence (the server sends a comment every 15 seconds).
 */

import { refusal, toApiError, type ApiError } from './api';

export interface Message {
  event: string;
  data: string;
  id: string;
}

/** Takes the stream in pieces of any size. WHATWG HTML, section 9.2.6. */
export class MessageParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id = '';

  push(chunk: string): Message[] {
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): Message[] {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id') this.#id = value;
    return [];
  }

  #dispatch(): Message[] {
    const message = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
    this.#event = '';
    if (!this.#data.length) return [];
    this.#data = [];
    return [message];
  }
}

const SILENCE_MS = 40_000;

/**
 * Read one connection until it ends.
 *
 * @param lastId where to resume, '' for from now on
 * @throws {ApiError} always in the end: a stream that closes is a failure to be retried by the caller
 */
export async function readStream(
  path: string,
  lastId: string,
  signal: AbortSignal,
  onOpen: () => void,
  onMessage: (message: Message) => void,
): Promise<ApiError> {
  const silence = new AbortController();
  const either = AbortSignal.any ? AbortSignal.any([signal, silence.signal]) : joined(signal, silence);
  let watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (lastId) headers['Last-Event-ID'] = lastId;
    const answer = await fetch('/api/v1' + path, { headers, signal: either, cache: 'no-store' });
    if (!answer.ok || !answer.body) return await refusal(answer, path);
    onOpen();
    const parser = new MessageParser();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(watchdog);
      if (done) return toApiError('the stream ended');
      watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
      parser.push(value).forEach(onMessage);
    }
  } catch (error) {
    return toApiError(error);
  } finally {
    clearTimeout(watchdog);
  }
}

/** `AbortSignal.any` came with browsers of 2023. */
function joined(signal: AbortSignal, controller: AbortController): AbortSignal {
  signal.addEventListener('abort', () => controller.abort(), { once: true });
  return controller.signal;
}
