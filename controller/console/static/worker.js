// One connection to the server for all tabs: a browser opens six a host over HTTP/1.1.
"use strict";
const ports = new Set();
let source = null;
const known = { values: {}, not_good: {}, modes: {} };
let time = 0;
let status = null;
let state = "wait";

function tell(message) {
  for (const port of ports) port.postMessage(message);
}

function merge(data) {
  time = data.time_s;
  Object.assign(known.values, data.values);
  if (data.not_good) known.not_good = data.not_good;
  if (data.modes) known.modes = data.modes;
}

function open(url) {
  source = new EventSource(url);
  source.onopen = () => { state = "open"; tell({ link: state }); };
  source.onerror = () => {
    state = source.readyState === EventSource.CLOSED ? "refused" : "lost";
    tell({ link: state });
    if (state === "refused") {
      source.close();
      source = null;
      setTimeout(() => { if (!source && ports.size) open(url); }, 3000);
    }
  };
  for (const name of ["snapshot", "changes", "status", "tick", "proposal", "alarm", "alive"]) {
    source.addEventListener(name, (event) => {
      const data = JSON.parse(event.data);
      if (name === "snapshot") known.values = {};
      if (name === "snapshot" || name === "changes") merge(data);
      if (name === "status") status = data;
      tell({ link: "open", name, data });
    });
  }
}

function join(port) {
  ports.add(port);
  port.onmessage = (event) => {
    if (event.data.leave) {
      ports.delete(port);
      if (!ports.size && source) { source.close(); source = null; }
      return;
    }
    if (!source) { open(event.data.url); return; }
    port.postMessage({ link: state });
    if (state !== "open") return;
    port.postMessage({ link: state, name: "snapshot", data: { time_s: time, ...known } });
    if (status) port.postMessage({ link: state, name: "status", data: status });
  };
}

self.onconnect = (event) => join(event.ports[0]);
self.openStream = (url, listener) => { // where there are no shared workers: a page of its own
  ports.add({ postMessage: listener });
  open(url);
};
