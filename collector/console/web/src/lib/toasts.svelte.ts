/** Short messages at the foot of the page, with the way back where there is one. */

export interface Toast {
  id: number;
  text: string;
  kind: 'done' | 'failed';
  undo?: () => void;
}

const STAYS_MS = 9_000;
const AT_MOST = 4;

class Toasts {
  list = $state.raw<Toast[]>([]);
  #count = 0;

  show(text: string, kind: Toast['kind'] = 'done', undo?: () => void): void {
    const toast: Toast = { id: ++this.#count, text, kind, ...(undo && { undo }) };
    this.list = [...this.list, toast].slice(-AT_MOST);
    setTimeout(() => this.dismiss(toast.id), STAYS_MS);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
