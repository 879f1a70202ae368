// Turns the platforms' own TypeScript types into the JSON Schemas beside this file.
//
//     cd tests/contracts/schemas && npm ci && npm run make
//
// TypeScript's own checker resolves every mapped, conditional and intersected type, so that each object's
// schema lists all of its properties and can refuse any other. Lengths that the platforms state in the
// types' comments become limits.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "types.ts");
const packages = ["@grammyjs/types", "@slack/bolt", "@slack/types", "@slack/web-api", "whatsapp-api-js"];

const program = ts.createProgram([source], {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: [],
});
const checker = program.getTypeChecker();
const file = program.getSourceFile(source);
const wrong = program.getSemanticDiagnostics(file);
if (wrong.length > 0) {
  throw new Error(ts.formatDiagnostics(wrong, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => here, getNewLine: () => "\n" }));
}

/** The schemas of one interface's members, each object type once. */
class Schemas {
  definitions = {};
  names = new Map();

  of(type) {
    const { flags } = type;
    if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return {};
    if (flags & ts.TypeFlags.Null) return { type: "null" };
    if (flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === "true" };
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (flags & ts.TypeFlags.BooleanLike) return { type: "boolean" };
    if (flags & ts.TypeFlags.StringLike) return { type: "string" };
    if (flags & ts.TypeFlags.NumberLike) return { type: "number" };
    if (type.isUnion()) return nameOf(type) && type.types.some((part) => part.flags & ts.TypeFlags.Object) ? this.named(type) : this.union(type);
    const primitive = type.isIntersection() && type.types.find((part) => part.flags & (ts.TypeFlags.StringLike | ts.TypeFlags.NumberLike));
    if (primitive) return this.of(primitive);
    if (checker.isTupleType(type)) return this.tuple(type);
    if (checker.isArrayType(type)) return { type: "array", items: this.of(checker.getTypeArguments(type)[0]) };
    return this.named(type);
  }

  union(type) {
    let members = type.types.filter((part) => !(part.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Never)));
    // Slack's types admit any object with a `type` beside the blocks that they know; these tests do not.
    if (members.some((part) => nameOf(part) === "SectionBlock")) members = members.filter((part) => nameOf(part) !== "Block");
    const literals = members.filter((part) => part.isStringLiteral() || part.isNumberLiteral());
    const booleans = members.filter((part) => part.flags & ts.TypeFlags.BooleanLiteral);
    const others = members.filter((part) => !literals.includes(part) && !booleans.includes(part));
    const schemas = others.map((part) => this.of(part));
    if (booleans.length === 2) schemas.push({ type: "boolean" });
    if (booleans.length === 1) schemas.push(this.of(booleans[0]));
    if (literals.length > 1) schemas.push({ enum: literals.map((part) => part.value) });
    if (literals.length === 1) schemas.push(this.of(literals[0]));
    const different = [...new Map(schemas.map((schema) => [JSON.stringify(schema), schema])).values()];
    return different.length === 1 ? different[0] : { anyOf: different };
  }

  tuple(type) {
    const items = checker.getTypeArguments(type).map((part) => this.of(part));
    // The types say [T] where the platform may send several: what matters here is each one.
    return { type: "array", items: items.length === 1 ? items[0] : { anyOf: items } };
  }

  named(type) {
    if (!this.names.has(type)) {
      const base = nameOf(type);
      if (!base) return this.object(type);
      let name = base;
      for (let count = 2; name in this.definitions; count += 1) name = `${base}${count}`;
      this.names.set(type, name);
      this.definitions[name] = {};
      this.definitions[name] = type.isUnion() ? this.union(type) : this.object(type);
    }
    return { $ref: `#/$defs/${this.names.get(type)}` };
  }

  object(type) {
    const properties = {};
    const required = [];
    for (const property of checker.getPropertiesOfType(type)) {
      // Classes of the libraries name their own kind in properties such as _type, which are never sent.
      if (property.name.startsWith("_")) continue;
      const value = checker.getTypeOfSymbolAtLocation(property, file);
      if (value.getCallSignatures().length > 0) continue;
      const kept = value.isUnion() ? value.types.filter((part) => !(part.flags & ts.TypeFlags.Undefined)) : [value];
      if (kept.every((part) => part.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Never))) continue;
      properties[property.name] = limited(this.of(value), property);
      if (!(property.flags & ts.SymbolFlags.Optional) && kept.length === (value.isUnion() ? value.types.length : 1)) {
        required.push(property.name);
      }
    }
    const index = checker.getIndexTypeOfType(type, ts.IndexKind.String);
    const open = index ? this.of(index) : false;
    const schema = { type: "object", properties, additionalProperties: open };
    return required.length > 0 ? { ...schema, required } : schema;
  }
}

function nameOf(type) {
  const name = type.aliasSymbol?.name ?? type.symbol?.name ?? "";
  return name.startsWith("__") ? "" : name;
}

/** A property's schema with the limit that its comment states. */
function limited(schema, property) {
  const words = ts.displayPartsToString(property.getDocumentationComment(checker)) + ` ${property.getJsDocTags(checker).map((tag) => ts.displayPartsToString(tag.text)).join(" ")}`;
  const telegram = words.match(/\b\d+-(\d+) (?:characters|bytes)/);
  const slack = words.match(/max(?:imum)? length (?:for (?:the `?text`? (?:with)?in )?this field |is |of )?(?:is |of )?(\d+)( characters)?/i);
  const many = words.match(/(?:max(?:imum)?(?: number of (?:items|options) is| of)?) `?(\d+)`? (?:items|blocks|elements|options)/i) ?? words.match(/maximum number of (?:items|options) is (\d+)/i);
  const length = Number((telegram ?? slack)?.[1] ?? 0);
  if (length > 0 && schema.type === "string") return { ...schema, maxLength: length };
  if (length > 0 && slack && (schema.$ref || schema.anyOf)) return { allOf: [schema, { properties: { text: { maxLength: length } } }] };
  if (many && schema.type === "array") return { ...schema, maxItems: Number(many[1]) };
  return schema;
}

const versions = packages.map((name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8")));
const exported = (statement) => ts.isInterfaceDeclaration(statement) && statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
for (const statement of file.statements.filter(exported)) {
  const schemas = new Schemas();
  const $defs = {};
  for (const member of checker.getPropertiesOfType(checker.getTypeAtLocation(statement))) {
    $defs[`@${member.name}`] = schemas.of(checker.getTypeOfSymbolAtLocation(member, file));
  }
  const from = versions.filter(({ name }) => name.includes(statement.name.text === "telegram" ? "grammy" : statement.name.text));
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $comment: `made by make.mjs from ${from.map(({ name, version }) => `${name} ${version}`).join(", ")}; see LICENSES.txt`,
    $defs: { ...$defs, ...schemas.definitions },
  };
  const lines = Object.entries(schema.$defs).map(([name, definition]) => `${JSON.stringify(name)}: ${JSON.stringify(definition)}`);
  const head = JSON.stringify({ $schema: schema.$schema, $comment: schema.$comment }).slice(0, -1);
  writeFileSync(join(here, `${statement.name.text}.json`), `${head},"$defs": {\n${lines.join(",\n")}\n}}\n`);
}
const licences = versions.map(({ name, version }) => `${name} ${version}\n\n${readFileSync(join(here, "node_modules", name, "LICENSE"), "utf8").trim()}\n`);
writeFileSync(join(here, "LICENSES.txt"), `The schemas in this folder are made from the type declarations of these packages.\n\n${licences.join(`\n${"-".repeat(80)}\n\n`)}`);
