/** The people's API: JSON in, JSON out, every failure one kind of error that says what to do. */

import { clock } from './clock.svelte';

const TIMEOUT_MS = 20_000;

/** A refusal or a failure. `status` 0 means that no answer came; `code` is stable and has a text `error.CODE`. */
export class ApiError extends Error {
  override name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    /** Seconds to wait before another try, 0 when the server does not say. */
    readonly retryAfter = 0,
  ) {
    super(`${status} ${code}: ${detail}`);
  }
}

export function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, 'unreachable', String(error));
}

let csrf = '';
let onSignedOut = (): void => undefined;

/** The server says that the session has ended. */
export function endSession(): void {
  onSignedOut();
}

/** Called by the session, which learns the token and must hear when it has ended. */
export function bindSession(token: string, signedOut: () => void): void {
  csrf = token;
  onSignedOut = signedOut;
}

/**
 * @param path below `/api/v1`
 * @throws {ApiError} for every answer that is not 2xx, and for none
 */
export async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (method !== 'GET') headers['X-CSRF-Token'] = csrf;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let answer: Response;
  try {
    answer = await fetch('/api/v1' + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: 'no-store',
    });
  } catch (error) {
    throw toApiError(error);
  }
  clock.learn(answer.headers.get('Date'));
  if (!answer.ok) throw await refusal(answer, path);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

export async function refusal(answer: Response, path: string): Promise<ApiError> {
  const retryAfter = Number(answer.headers.get('Retry-After')) || 0;
  let problem: { code?: string; detail?: string } = {};
  try {
    problem = (await answer.json()) as typeof problem;
  } catch {
    problem = { detail: answer.statusText };
  }
  if (answer.status === 401 && path !== '/session') endSession();
  return new ApiError(answer.status, problem.code ?? 'unexpected', problem.detail ?? '', retryAfter);
}
