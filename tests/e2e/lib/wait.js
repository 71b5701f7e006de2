// Every wait is bounded: a message that never comes fails the test with a name
// instead of hanging the run.
const TIMEOUT = 5000;

/** Resolves with the first value handed to the callback that `subscribe` receives. */
export function once(subscribe, { what, timeout = TIMEOUT }) {
  // Created here, not in the timer, so that the stack points at the test.
  const error = new Error(`no ${what} within ${timeout} ms`);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(error), timeout);
    subscribe((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

/**
 * Everything received, in order of arrival. Absence is proved with it: wait for
 * a later marker, then compare the whole list.
 */
export class Inbox {
  items = [];
  #watchers = new Set();

  // A property, so that it can be passed on as a bare callback.
  push = (item) => {
    this.items.push(item);
    for (const watcher of this.#watchers) watcher();
  };

  /** Resolves with the first item that satisfies `accept`, past or future. */
  until(accept, { what, timeout } = {}) {
    let watcher;
    const found = once(
      (done) => {
        watcher = () => {
          const index = this.items.findIndex(accept);
          if (index !== -1) done(this.items[index]);
        };
        this.#watchers.add(watcher);
        watcher();
      },
      { what: what ?? 'expected item', timeout },
    );
    return found.finally(() => this.#watchers.delete(watcher));
  }

  /** Resolves with the list once it holds `count` items. */
  async reaches(count, options) {
    await this.until((_, index) => index === count - 1, options);
    return this.items;
  }
}
