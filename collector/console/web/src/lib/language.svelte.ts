/** The language of the page: Vietnamese unless this browser or this person chose English. */

import en from '../texts/en.json';
import vi from '../texts/vi.json';
import type { Language, Texts } from './documents';
import { phrase, type Values } from './phrase';
import { recall, remember } from './storage';

export type Key = keyof typeof en;

const texts: Record<Language, Record<Key, string>> = { vi, en };
const LOCALES: Record<Language, string> = { vi: 'vi-VN', en: 'en-GB' };

function isLanguage(value: unknown): value is Language {
  return value === 'vi' || value === 'en';
}

class LanguageChoice {
  current = $state<Language>(recall('language') === 'en' ? 'en' : 'vi');

  get locale(): string {
    return LOCALES[this.current];
  }

  choose(language: Language): void {
    this.current = language;
    remember('language', language);
    document.documentElement.lang = language;
  }

  /** A person's own language holds until this browser has made a choice. */
  suggest(language: unknown): void {
    if (recall('language') === null && isLanguage(language)) {
      this.current = language;
      document.documentElement.lang = language;
    }
  }
}

export const language = new LanguageChoice();

/** The console's own text in the page's language. */
export function t(key: Key, values: Values = {}): string {
  return phrase(texts[language.current][key], values, language.locale);
}

/** A text that is data (a rule's title): in the page's language, else in the other one. */
export function say(data: Texts): string {
  return data[language.current] || data.en || data.vi || '';
}

/** Is this a key? For codes that the server sends and the console may not know yet. */
export function isKey(name: string): name is Key {
  return Object.hasOwn(en, name);
}

export function number(value: number): string {
  return value.toLocaleString(language.locale);
}
