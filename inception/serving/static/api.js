// Requests to the server, and what to say when they fail.

const TOKEN = "inception-token";
const TRIES = 6; // of a server that is busy
let giveToken; // resolves what waits for the token

export class Refused extends Error {}

/** JSON of an address. A picture goes into the body as it is; its name stays here. */
export async function ask(path, { picture, model, ...options } = {}) {
  const query = new URLSearchParams(Object.entries(options));
  if (model) query.set("model", model);
  const url = query.size ? `${path}?${query}` : path;
  for (let turn = 1; ; turn++) {
    const answer = await send(url, picture);
    if (answer.ok) return answer.json();
    if (answer.status === 401) {
      await tokenGiven();
    } else if (answer.status === 503 && turn < TRIES) {
      const seconds = Number(answer.headers.get("Retry-After")) || 1;
      await new Promise((done) => setTimeout(done, 1000 * seconds * Math.random() * turn));
    } else {
      throw new Refused(await reason(answer));
    }
  }
}

async function send(url, picture) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (picture) headers["Content-Type"] = "application/octet-stream";
  try {
    return await fetch(url, { method: picture ? "POST" : "GET", headers, body: picture });
  } catch {
    throw new Refused("The server cannot be reached. Is it still running?");
  }
}

async function reason(answer) {
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 413) return `It is too large: ${told.detail}.`;
  if (answer.status === 503) return "The server is too busy at the moment. Try again in a while.";
  return (told.detail ?? `The server answered ${answer.status}.`).replace(/^picture: /, "");
}

/** Shows the form and waits until a token was given; all requests wait for the same one. */
function tokenGiven() {
  const form = document.getElementById("token");
  const field = document.getElementById("token-value");
  if (!giveToken) {
    sessionStorage.removeItem(TOKEN);
    form.hidden = false;
    field.value = "";
    field.focus();
    giveToken = new Promise((done) => {
      form.onsubmit = (event) => {
        event.preventDefault();
        sessionStorage.setItem(TOKEN, field.value.trim());
        form.hidden = true;
        giveToken = undefined;
        done();
      };
    });
  }
  return giveToken;
}
