/** What this browser remembers between visits; a browser that forbids storage just forgets. */

const PREFIX = 'lienphong.';

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch (error) {
    console.info('lienphong: not remembered', name, error);
  }
}
