// The reader of /openapi.json: a list of routes by kind, with parameters, bodies and examples. Text is never markup.
"use strict";

function make(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

function resolve(document_, schema) {
  const reference = schema && schema.$ref;
  return reference ? document_.components.schemas[reference.split("/").pop()] || {} : schema || {};
}

function shape(document_, content) {
  const parts = [];
  for (const [type, body] of Object.entries(content || {})) {
    parts.push(make("div", type, "what"));
    const example = body.example !== undefined ? body.example : resolve(document_, body.schema).example;
    if (example !== undefined) parts.push(make("pre", JSON.stringify(example, null, 2)));
    const fold = make("details");
    fold.append(make("summary", "Schema"), make("pre", JSON.stringify(resolve(document_, body.schema), null, 2)));
    parts.push(fold);
  }
  return parts;
}

function parameters(list) {
  const table = make("table");
  for (const one of list) {
    const row = make("tr");
    row.append(make("td", one.name), make("td", one.in + (one.required ? ", required" : "")), make("td", one.description || ""));
    table.append(row);
  }
  return table;
}

function route(document_, path, method, operation) {
  const box = make("details");
  const line = make("summary");
  line.append(make("span", method.toUpperCase(), "method " + method), make("code", path), make("span", operation.summary || "", "what"));
  box.append(line);
  box.addEventListener("toggle", () => {
    if (!box.open || box.dataset.full) return;
    box.dataset.full = "yes";
    if (operation.description) box.append(make("p", operation.description));
    if (operation.parameters) box.append(parameters(operation.parameters));
    if (operation.requestBody) box.append(make("h4", "Body"), ...shape(document_, operation.requestBody.content));
    for (const [status, answer] of Object.entries(operation.responses || {})) {
      box.append(make("h4", status + " " + (answer.description || "")), ...shape(document_, answer.content));
    }
  });
  box.dataset.text = [path, method, operation.summary, (operation.tags || []).join(" ")].join(" ").toLowerCase();
  return box;
}

async function show() {
  const document_ = await (await fetch("/openapi.json")).json();
  const groups = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = (operation.tags || ["Other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(route(document_, path, method, operation));
    }
  }
  const main = document.getElementById("main");
  main.replaceChildren();
  for (const tag of [...groups.keys()].sort()) {
    const section = make("section");
    section.append(make("h2", tag), ...groups.get(tag));
    main.append(section);
  }
  document.getElementById("search").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const box of main.querySelectorAll("section > details")) {
      box.hidden = !words.every((word) => box.dataset.text.includes(word));
    }
    for (const section of main.querySelectorAll("section")) section.hidden = !section.querySelector("details:not([hidden])");
  });
}

show();
