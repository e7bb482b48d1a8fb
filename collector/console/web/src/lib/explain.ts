/** An API error in words that say what to do. */

import type { ApiError } from './api';
import { isKey, t } from './language.svelte';

export function explain(error: ApiError): string {
  const key = `error.${error.code}`;
  return isKey(key) ? t(key) : t('error.unexpected', { code: `${error.status} ${error.code}` });
}
