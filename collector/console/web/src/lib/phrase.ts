/** Fills a text's places: `{n}` with a value, `{n|alert|alerts}` with a form by number. */

export type Values = Record<string, string | number>;

const PLACE = /\{(\w+)(?:\|([^|{}]*)\|([^|{}]*))?\}/g;

/**
 * @param text a text of `texts/*.json`
 * @param values what goes into its places; numbers are written the way `locale` writes them
 */
export function phrase(text: string, values: Values, locale: string): string {
  return text.replace(PLACE, (place: string, name: string, one?: string, many?: string) => {
    const value = values[name];
    if (value === undefined) return place;
    if (one !== undefined && many !== undefined) return value === 1 ? one : many;
    return typeof value === 'number' ? value.toLocaleString(locale) : value;
  });
}
