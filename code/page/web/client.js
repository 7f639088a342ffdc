// The page's side of the worker: one question at a time. Of those that wait, only the newest of
// each kind is asked.

export class Client {
  /** @param {string} code of the worker: a page without a server may read no file */
  constructor(code) {
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    this.worker = new Worker(address);
    this.worker.onmessage = ({ data }) => this.finish(data);
    this.worker.onerror = ({ message }) =>
      this.finish({ error: message || "the worker has not started" });
    this.busy = null;
    this.waiting = new Map();
  }

  /**
   * @param {"load" | "predict" | "decode"} kind
   * @returns the worker's answer, or null if a newer question of this kind came before its turn
   */
  ask(kind, question) {
    return new Promise((resolve, reject) => {
      this.waiting.get(kind)?.resolve(null);
      this.waiting.set(kind, { question, resolve, reject });
      this.next();
    });
  }

  next() {
    if (this.busy || !this.waiting.size) return;
    const [kind, asked] = this.waiting.entries().next().value;
    this.waiting.delete(kind);
    this.busy = asked;
    this.worker.postMessage({ kind, question: asked.question });
  }

  finish({ answer, error }) {
    const asked = this.busy;
    this.busy = null;
    if (error === undefined) asked?.resolve(answer);
    else asked?.reject(new Error(error));
    this.next();
  }
}
