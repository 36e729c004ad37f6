/**
 * Plugins for Plugbay in JavaScript. `plugin` makes the functions that a component exports:
 *
 *   import { plugin } from "../sdk/plugbay.js";
 *   const { lifecycle, codec } = plugin({ name: "lines", version: "0.1.0", codecs: [{ … }] });
 *   export { lifecycle, codec };
 *
 * A thrown `PluginError` has a kind, which says whose fault a failure is. Every other exception gets it from the
 * function that throws it: from `decode` it is `invalid-input`, from `encode` `unsupported`, from others `internal`.
 */

/** The deepest document, in levels of arrays and maps, as everywhere in Plugbay. */
const MAX_DEPTH = 128;
/** The integers that a `number` holds exactly; others are a `bigint`. */
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** A failure with a kind: `invalid-input`, `unsupported`, `unavailable` or `internal`. */
export class PluginError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** The caller's input is wrong: it fails again, with any provider. */
export const invalidInput = (message) => new PluginError("invalid-input", message);
/** The input is valid, but the plugin cannot do what it asks for. */
export const unsupported = (message) => new PluginError("unsupported", message);
/** The plugin cannot answer now: another provider, or a later try, may. */
export const unavailable = (message) => new PluginError("unavailable", message);

/** A CBOR item with a tag that has no value of its own in JavaScript. */
export class Tagged {
  constructor(tag, value) {
    this.tag = tag;
    this.value = value;
  }
}

/**
 * What a component of these codecs and handlers exports.
 *
 * `start(config)` returns what the calls of one instance get as their last argument. A codec has `encode(document)`,
 * which returns a string or bytes, and `decode(bytes)`, which returns a document. A handler has `handle(request)`,
 * which returns `{status, headers, body}`. `config` is the JSON Schema of the configuration.
 */
export function plugin({ name, version, description = "", config, start, codecs = [], handlers = [] }) {
  let instance;
  const capability = (kind) => (it) => ({
    kind,
    name: it.name,
    description: it.description ?? "",
    mediaTypes: it.mediaTypes ?? [],
    routes: it.routes ?? [],
  });
  const capabilities = [...codecs.map(capability("codec")), ...handlers.map(capability("handler"))];
  const configSchema = JSON.stringify(config ?? { type: "object", additionalProperties: false });
  const lifecycle = {
    describe: () => ({ name, version, description, capabilities, configSchema }),
    init: (text) => answer("internal", () => {
      instance = start?.(JSON.parse(text));
    }),
    health: () => undefined,
    shutdown: () => undefined,
  };
  const codec = {
    encode: (index, document) => answer("unsupported", () => {
      const bytes = codecs[index].encode(readDocument(document), instance);
      return typeof bytes === "string" ? toUtf8(bytes) : bytes;
    }),
    decode: (index, bytes) => answer("invalid-input", () => writeDocument(codecs[index].decode(bytes, instance))),
  };
  const handler = {
    handle: (index, request) => answer("internal", () => {
      const own = {
        ...request,
        param: (wanted) => request.params.find(([key]) => key === wanted)?.[1],
        header: (wanted) => {
          const field = request.headers.find(([key]) => key === wanted.toLowerCase());
          return field && fromUtf8(field[1]);
        },
      };
      const { status = 200, headers = {}, body = "" } = handlers[index - codecs.length].handle(own, instance);
      return {
        status,
        headers: Object.entries(headers).map(([key, value]) => [key.toLowerCase(), toUtf8(String(value))]),
        body: typeof body === "string" ? toUtf8(body) : body,
      };
    }),
  };
  return { lifecycle, codec, handler };
}

/** Makes an exception the error of the call; otherwise it would end the instance, and its text be lost. */
function answer(kind, call) {
  try {
    return call();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw { tag: error instanceof PluginError ? error.kind : kind, val: message };
  }
}

/** The bytes of a text in UTF-8. The engine has no TextEncoder. */
export function toUtf8(text) {
  const bytes = [];
  for (const letter of text) {
    let code = letter.codePointAt(0);
    // Half of a pair is not a character.
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | code >> 6, 0x80 | code & 0x3f);
    else if (code < 0x10000) bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 0x3f, 0x80 | code & 0x3f);
    else {
      bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 0x3f, 0x80 | code >> 6 & 0x3f, 0x80 | code & 0x3f);
    }
  }
  return new Uint8Array(bytes);
}

/** The text of bytes in UTF-8; other bytes are an error. */
export function fromUtf8(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at];
    const more = first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1;
    let code = more === 0 ? first : first & (0x3f >> more);
    for (let step = 1; step <= more; step++) {
      const next = bytes[at + step];
      if (next === undefined || next >> 6 !== 2) throw invalidInput(`expected UTF-8, found another byte at ${at}`);
      code = code << 6 | next & 0x3f;
    }
    const least = [0, 0x80, 0x800, 0x10000][more];
    if (more < 0 || code < least || code > 0x10ffff || code >= 0xd800 && code < 0xe000) {
      throw invalidInput(`expected UTF-8, found another byte at ${at}`);
    }
    parts.push(String.fromCodePoint(code));
    at += more + 1;
  }
  return parts.join("");
}

/**
 * The value of a document, one CBOR item (RFC 8949). A map with texts as keys is an object without a prototype,
 * another one a `Map`; an integer that a number cannot hold is a `bigint`.
 */
export function readDocument(bytes) {
  const reader = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 };
  const value = readItem(reader, 0);
  if (reader.at !== bytes.length) throw invalidInput(`expected one CBOR item, found more after byte ${reader.at}`);
  return value;
}

/** A value as a document, one CBOR item. */
export function writeDocument(value) {
  const bytes = [];
  writeItem(bytes, value, 0);
  return new Uint8Array(bytes);
}

function take(reader, length) {
  const from = reader.at;
  if (length > reader.bytes.length - from) throw invalidInput("expected a whole CBOR item, found its beginning");
  reader.at += length;
  return from;
}

function readItem(reader, depth) {
  if (depth > MAX_DEPTH) throw invalidInput(`expected at most ${MAX_DEPTH} levels, found more`);
  const head = reader.bytes[take(reader, 1)];
  const major = head >> 5;
  const info = head & 0x1f;
  if (major === 7) return readSimple(reader, info);
  if (info === 31) return readIndefinite(reader, major, depth);
  const argument = readArgument(reader, info);
  switch (major) {
    case 0: return argument;
    case 1: return typeof argument === "bigint" ? narrowed(-1n - argument) : narrowed(-1n - BigInt(argument));
    case 2: return reader.bytes.slice(take(reader, Number(argument)), reader.at);
    case 3: return fromUtf8(reader.bytes.subarray(take(reader, Number(argument)), reader.at));
    case 4: return Array.from({ length: checked(reader, argument) }, () => readItem(reader, depth + 1));
    case 5: {
      const pairs = Array.from({ length: checked(reader, argument) }, () => [readItem(reader, depth + 1), readItem(reader, depth + 1)]);
      return fromPairs(pairs);
    }
    default: return fromTag(argument, readItem(reader, depth + 1));
  }
}

/** A number of elements that the bytes can have. */
function checked(reader, length) {
  if (length > reader.bytes.length - reader.at) throw invalidInput("expected a whole CBOR item, found its beginning");
  return Number(length);
}

function readArgument(reader, info) {
  if (info < 24) return info;
  switch (info) {
    case 24: return reader.bytes[take(reader, 1)];
    case 25: return reader.view.getUint16(take(reader, 2));
    case 26: return reader.view.getUint32(take(reader, 4));
    case 27: return narrowed(reader.view.getBigUint64(take(reader, 8)));
    default: throw invalidInput(`expected CBOR, found the reserved length ${info}`);
  }
}

function readSimple(reader, info) {
  switch (info) {
    case 20: return false;
    case 21: return true;
    case 22: return null;
    case 23: return undefined;
    case 25: return half(reader.view.getUint16(take(reader, 2)));
    case 26: return reader.view.getFloat32(take(reader, 4));
    case 27: return reader.view.getFloat64(take(reader, 8));
    default: throw invalidInput(`expected a CBOR value, found the simple value ${info}`);
  }
}

function half(bits) {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = bits >> 10 & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

function readIndefinite(reader, major, depth) {
  const ended = () => reader.bytes[reader.at] === 0xff && take(reader, 1) >= 0;
  const elements = [];
  while (!ended()) elements.push(readItem(reader, depth + 1));
  switch (major) {
    case 2: return new Uint8Array(elements.flatMap((part) => [...part]));
    case 3: return elements.join("");
    case 4: return elements;
    case 5: return fromPairs(Array.from({ length: elements.length / 2 }, (_, i) => elements.slice(2 * i, 2 * i + 2)));
    default: throw invalidInput("expected CBOR, found an item of this kind without a length");
  }
}

function fromPairs(pairs) {
  if (!pairs.every(([key]) => typeof key === "string")) return new Map(pairs);
  const object = Object.create(null);
  for (const [key, value] of pairs) object[key] = value;
  return object;
}

function fromTag(tag, value) {
  if ((tag === 2 || tag === 3) && value instanceof Uint8Array) {
    const number = value.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
    return narrowed(tag === 2 ? number : -1n - number);
  }
  return new Tagged(tag, value);
}

/** A number, if it holds the integer exactly. */
function narrowed(number) {
  return number <= SAFE && number >= -SAFE ? Number(number) : number;
}

function writeHead(bytes, major, argument) {
  const length = BigInt(argument);
  const size = length < 24n ? 0 : length < 0x100n ? 1 : length < 0x10000n ? 2 : length < 0x100000000n ? 4 : 8;
  bytes.push(major << 5 | (size === 0 ? Number(length) : 24 + Math.log2(size)));
  for (let shift = size - 1; shift >= 0; shift--) bytes.push(Number(length >> BigInt(8 * shift) & 0xffn));
}

function writeBytes(bytes, major, own) {
  writeHead(bytes, major, own.length);
  for (const byte of own) bytes.push(byte);
}

function writeItem(bytes, value, depth) {
  if (depth > MAX_DEPTH) throw unsupported(`expected at most ${MAX_DEPTH} levels, found more`);
  switch (typeof value) {
    case "boolean": return void bytes.push(value ? 0xf5 : 0xf4);
    case "string": return writeBytes(bytes, 3, toUtf8(value));
    case "bigint": return writeInteger(bytes, value);
    case "number":
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) return writeInteger(bytes, BigInt(value));
      return writeDouble(bytes, value);
    case "object": return writeObject(bytes, value, depth);
    default: throw unsupported(`expected a value that a document can hold, found ${typeof value}`);
  }
}

function writeInteger(bytes, number) {
  const argument = number < 0n ? -1n - number : number;
  if (argument <= 0xffffffffffffffffn) return writeHead(bytes, number < 0n ? 1 : 0, argument);
  const digits = argument.toString(16);
  const even = digits.length % 2 ? `0${digits}` : digits;
  writeHead(bytes, 6, number < 0n ? 3 : 2);
  writeBytes(bytes, 2, even.match(/../g).map((byte) => parseInt(byte, 16)));
}

function writeDouble(bytes, value) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  bytes.push(0xfb, ...new Uint8Array(view.buffer));
}

function writeObject(bytes, value, depth) {
  if (value === null) return void bytes.push(0xf6);
  if (value instanceof Uint8Array) return writeBytes(bytes, 2, value);
  if (Array.isArray(value)) {
    writeHead(bytes, 4, value.length);
    for (const element of value) writeItem(bytes, element, depth + 1);
    return;
  }
  if (value instanceof Tagged) {
    writeHead(bytes, 6, value.tag);
    return writeItem(bytes, value.value, depth + 1);
  }
  const pairs = value instanceof Map ? [...value] : Object.entries(value);
  writeHead(bytes, 5, pairs.length);
  for (const [key, own] of pairs) {
    writeItem(bytes, key, depth + 1);
    writeItem(bytes, own, depth + 1);
  }
}
