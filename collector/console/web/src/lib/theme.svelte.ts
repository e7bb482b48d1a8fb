/** Light, dark, or as the system has it. `first-paint.js` does the same before anything is drawn. */

import { recall, remember } from './storage';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const dark = matchMedia('(prefers-color-scheme: dark)');

class ThemeChoice {
  current = $state<Theme>(THEMES.find((theme) => theme === recall('theme')) ?? 'system');

  constructor() {
    dark.addEventListener('change', () => this.#apply());
    this.#apply();
  }

  choose(theme: Theme): void {
    this.current = theme;
    remember('theme', theme);
    this.#apply();
  }

  #apply(): void {
    const system = dark.matches ? 'dark' : 'light';
    document.documentElement.dataset['theme'] = this.current === 'system' ? system : this.current;
  }
}

export const theme = new ThemeChoice();
