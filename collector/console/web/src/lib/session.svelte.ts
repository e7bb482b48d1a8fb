/** Who is signed in here. `undefined` until the server has said. */

import { bindSession, request, toApiError, type ApiError } from './api';
import type { Session } from './documents';
import { language } from './language.svelte';

class SessionState {
  current = $state<Session | null | undefined>(undefined);
  /** Why the server could not say who is signed in. */
  failure = $state<ApiError | null>(null);

  /** Does some role of this person carry the permission somewhere? The server decides, the page only offers. */
  may(permission: 'alerts.read' | 'alerts.act'): boolean {
    return this.current?.permissions.includes(permission) ?? false;
  }

  /** Ask the server, at the start and after a return from sleep. */
  async load(): Promise<void> {
    this.failure = null;
    try {
      this.#take(await request<Session>('GET', '/session'));
    } catch (error) {
      const refused = toApiError(error);
      if (refused.status === 401) this.#take(null);
      else this.failure = refused;
    }
  }

  /** @throws {ApiError} `bad_credentials`, or `locked` with the seconds to wait */
  async signIn(user: string, password: string): Promise<void> {
    this.#take(await request<Session>('POST', '/session', { user, password }));
  }

  async signOut(): Promise<void> {
    await request<undefined>('DELETE', '/session');
    this.#take(null);
  }

  /** @throws {ApiError} `weak_password` or `bad_credentials` */
  async changePassword(old: string, fresh: string): Promise<void> {
    await request<undefined>('POST', '/account/password', { old, new: fresh });
    await this.load();
  }

  #take(session: Session | null): void {
    this.current = session;
    if (session) language.suggest(session.language);
    bindSession(session?.csrf ?? '', () => this.#take(null));
  }
}

export const session = new SessionState();
