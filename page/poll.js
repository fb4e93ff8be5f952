// Requests to the agent: one at a time, none while the page is hidden.

const timeLimit = 5000;

/** Seconds by which the agent's clock is ahead of this machine's. */
let ahead = 0;

/** @param time of the agent's answer, in Unix seconds */
export function setAgentTime(time) {
  ahead = time - Date.now() / 1000;
}

/** Unix seconds by the agent's clock, for comparison with the agent's times. */
export function agentTime() {
  return Date.now() / 1000 + ahead;
}

/** The JSON of a path, whatever the status code; errors are sentences. */
export async function ask(path) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(timeLimit), cache: "no-store" });
    const text = await response.text();
    return { status: response.status, value: parse(text, response), text };
  } catch (error) {
    throw new Error(error.name === "TimeoutError" ? `no answer to GET ${path} within ${timeLimit / 1000} s` : response ? `GET ${path}: ${error.message}` : "the agent can't be reached");
  }
}

function parse(text, response) {
  return response.headers.get("Content-Type")?.startsWith("application/json") ? JSON.parse(text) : null;
}

/** The value of an answer; any code but 200 is an error. */
export async function read(path) {
  const answer = await ask(path);
  if (answer.status !== 200 || answer.value === null) throw new Error(`GET ${path}: ${answer.status} ${answer.text.trim().slice(0, 200)}`);
  return answer.value;
}

/** Runs rounds one after the other, each `pause` ms after the start of the one before. */
export class Rounds {
  #isPaused = false;
  #wake = () => {};

  constructor(pause, round) {
    this.pause = pause;
    this.round = round;
    document.addEventListener("visibilitychange", () => this.now());
  }

  get isPaused() {
    return this.#isPaused;
  }

  set isPaused(value) {
    this.#isPaused = value;
    this.now();
  }

  /** Starts the next round as soon as the present one has ended. */
  now() {
    this.#wake();
  }

  async run() {
    for (;;) {
      const start = performance.now();
      if (!document.hidden && !this.#isPaused) await this.round();
      await this.#sleep(document.hidden || this.#isPaused ? null : Math.max(this.pause / 4, start + this.pause - performance.now()));
    }
  }

  /** @param time in ms; null: until it is woken. */
  #sleep(time) {
    return new Promise((resolve) => {
      const timer = time === null ? null : setTimeout(resolve, time);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
