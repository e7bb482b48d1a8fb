/** One-letter shortcuts, which a person may switch off (WCAG 2.1.4). */

import { recall, remember } from './storage';

class Shortcuts {
  enabled = $state(recall('shortcuts') !== 'off');

  choose(enabled: boolean): void {
    this.enabled = enabled;
    remember('shortcuts', enabled ? 'on' : 'off');
  }
}

export const shortcuts = new Shortcuts();

/** The key of a plain press that is not being typed into something, else ''. */
export function pressed(event: KeyboardEvent): string {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing)
    return '';
  const target = event.target as HTMLElement;
  if (target.closest('input:not([type=checkbox]), textarea, select, dialog[open], [contenteditable]'))
    return '';
  if (event.key.length === 1 && !shortcuts.enabled) return '';
  // Enter and Space on a button or link belong to it.
  if ((event.key === 'Enter' || event.key === ' ') && target.closest('a, button, summary, input')) return '';
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}
