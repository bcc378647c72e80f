// The API's addresses, from its own OpenAPI description.

import { shapeOf } from "/static/parts.js";

const described = await (await fetch("/openapi.json")).json();
const schemas = described.components.schemas;

const resolve = (schema) => (schema.$ref ? schemas[schema.$ref.split("/").at(-1)] : schema);

/** A value of a schema's shape, with types in place of values. */
function example(schema) {
  const inner = resolve(schema);
  if (inner.anyOf) return example(inner.anyOf[0]);
  if (inner.type === "array") return [example(inner.items)];
  if (inner.properties) return Object.fromEntries(Object.entries(inner.properties).map(([n, s]) => [n, example(s)]));
  return inner.type ?? "anything";
}

function table(rows) {
  const made = document.createElement("table");
  for (const cells of rows) {
    const row = made.insertRow();
    cells.forEach((text, number) => row.insertCell().append(shapeOf(number ? "span" : "code", "", text)));
  }
  return made;
}

function typed({ schema, description }) {
  const kind = schema.anyOf ? schema.anyOf.map((s) => s.type).filter((t) => t !== "null").join(" or ") : schema.type;
  return `${description ?? ""} (${kind}${schema.default === undefined ? "" : `, ${schema.default} by default`})`;
}

function curl(method, path, takesPictures) {
  const address = `${location.origin}${path}`;
  if (takesPictures) return `curl -F file=@cat.jpg ${address}`;
  return method === "get" ? `curl ${address}` : `curl -X POST -H 'Authorization: Bearer TOKEN' ${address}`;
}

function section(path, method, told) {
  const made = shapeOf("section", "panel address");
  const title = document.createElement("h2");
  title.append(shapeOf("span", "method", method.toUpperCase()), shapeOf("span", "", path));
  made.append(title, ...told.description.split("\n\n").map((text) => shapeOf("p", "", text.replaceAll("`", ""))));
  const add = (name, element) => made.append(shapeOf("h3", "", name), element);
  if (told.parameters) add("Options, in the address", table(told.parameters.map((p) => [p.name, typed(p)])));
  if (told.requestBody) add("Body", table(Object.keys(told.requestBody.content).map((kind) => [kind, kind.startsWith("multipart") ? "one or several pictures, each a file named file" : "one picture as it is"])));
  add("Try it", shapeOf("pre", "", curl(method, path, Boolean(told.requestBody))));
  const [[kind, good]] = Object.entries(told.responses["200"].content);
  add("Answer", shapeOf("pre", "", kind === "application/json" ? JSON.stringify(example(good.schema), null, 2) : kind));
  const bad = Object.entries(told.responses).filter(([status]) => status !== "200");
  if (bad.length) add("Refusals, {\"detail\": why}", table(bad.map(([status, { description }]) => [status, description])));
  return made;
}

document.getElementById("intro").textContent = described.info.description;
document.getElementById("addresses").replaceChildren(
  ...Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]) => section(path, method, told)),
  ),
);
document.querySelectorAll("pre").forEach((block) => (block.tabIndex = 0)); // they scroll
