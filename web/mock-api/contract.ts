import api from '../../docs/openapi.json';

/** What schemas of the document are made of; `faults` refuses to judge by any other word. */
type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  propertyNames?: Schema;
  items?: Schema;
  oneOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  pattern?: string;
  format?: string;
};
type Answer = { content?: Record<string, { schema?: Schema }> };
type Operation = { requestBody?: { content: Record<string, { schema: Schema }> }; responses: Record<string, Answer> };

const KNOWN = new Set(['$ref', 'type', 'enum', 'properties', 'required', 'additionalProperties', 'propertyNames', 'items', 'oneOf', 'allOf', 'minimum', 'maximum', 'minLength', 'maxLength', 'maxItems', 'pattern', 'format', 'description', 'default', 'example', 'examples', 'title']);
const schemas = api.components.schemas as unknown as Record<string, Schema>;
const operations = api.paths as unknown as Record<string, Record<string, Operation>>;

/** The operation that a request is, by the document. */
export function operationOf(method: string, path: string): Operation {
  const fits = (template: string) => new RegExp(`^${template.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path);
  // `…/all` is before `…/{id}`.
  const [found] = Object.keys(operations).filter((template) => fits(template) && operations[template]?.[method.toLowerCase()]).sort((one, other) => one.split('{').length - other.split('{').length);
  const operation = found === undefined ? undefined : operations[found]?.[method.toLowerCase()];
  if (!operation) throw new Error(`the document has no ${method} ${path}`);
  return operation;
}

/** What is wrong with an answer, by the document. */
export function faultsOfAnswer(operation: Operation, status: number, kind: string, body: unknown): string[] {
  const answer = operation.responses[String(status)];
  if (!answer) return [`the status ${String(status)} is none of ${Object.keys(operation.responses).join(', ')}`];
  if (!answer.content) return body === undefined ? [] : ['there is a body'];
  const schema = answer.content[kind]?.schema;
  return schema ? faults(schema, body, kind) : [`the content type ${kind} is none of ${Object.keys(answer.content).join(', ')}`];
}

export function faultsOfBody(operation: Operation, body: unknown): string[] {
  const schema = operation.requestBody?.content['application/json']?.schema;
  if (body === undefined) return schema ? ['there is no body'] : [];
  return schema ? faults(schema, body, 'body') : ['a body that nobody reads'];
}

/** What of a value is not as a schema says, each with where. */
export function faults(schema: Schema, value: unknown, at: string): string[] {
  const strange = Object.keys(schema).filter((word) => !KNOWN.has(word));
  if (strange.length > 0) return [`${at}: the schema says ${strange.join(', ')}, which is not understood here`];
  const told = [...faultsOfKind(schema, value, at), ...faultsOfText(schema, value, at), ...faultsOfParts(schema, value, at)];
  if (schema.$ref !== undefined) told.push(...faults(named(schema.$ref), value, at));
  for (const part of schema.allOf ?? []) told.push(...faults(part, value, at));
  if (schema.oneOf) {
    const ways = schema.oneOf.map((part) => faults(part, value, at));
    if (!ways.some((found) => found.length === 0)) told.push(`${at}: fits none of ${String(ways.length)}: ${ways.flat().join('; ')}`);
  }
  return told;
}

function named(ref: string): Schema {
  const schema = schemas[ref.slice('#/components/schemas/'.length)];
  if (!schema) throw new Error(`${ref} leads nowhere`);
  return schema;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function faultsOfKind({ type, enum: words }: Schema, value: unknown, at: string): string[] {
  const kind = kindOf(value);
  const kinds = type === undefined ? [] : [type].flat();
  if (kinds.length > 0 && !kinds.includes(kind) && !(kind === 'integer' && kinds.includes('number'))) return [`${at}: ${kind}, not ${kinds.join(' or ')}`];
  return words && !words.includes(value) ? [`${at}: ${JSON.stringify(value)} is none of ${words.join(', ')}`] : [];
}

function faultsOfText({ minimum, maximum, minLength, maxLength, pattern, format }: Schema, value: unknown, at: string): string[] {
  if (typeof value === 'number') return value < (minimum ?? -Infinity) || value > (maximum ?? Infinity) ? [`${at}: ${String(value)} is out of bounds`] : [];
  if (typeof value !== 'string') return [];
  if (value.length < (minLength ?? 0) || value.length > (maxLength ?? Infinity)) return [`${at}: has ${String(value.length)} characters`];
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) return [`${at}: ${value} is not like ${pattern}`];
  return format === 'date-time' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) ? [`${at}: ${value} is no time`] : [];
}

function faultsOfParts({ properties, required, additionalProperties, propertyNames, items, maxItems }: Schema, value: unknown, at: string): string[] {
  if (Array.isArray(value)) return [...(value.length > (maxItems ?? Infinity) ? [`${at}: ${String(value.length)} items`] : []), ...(items ? value.flatMap((item, index) => faults(items, item, `${at}[${String(index)}]`)) : [])];
  if (typeof value !== 'object' || value === null) return [];
  const missing = (required ?? []).filter((name) => !(name in value)).map((name) => `${at}.${name} is missing`);
  const each = Object.entries(value).flatMap(([name, part]): string[] => {
    const known = properties?.[name];
    const names = propertyNames ? faults(propertyNames, name, `${at}.${name}`) : [];
    if (known) return [...names, ...faults(known, part, `${at}.${name}`)];
    if (additionalProperties === false) return [...names, `${at}.${name} is not known`];
    return typeof additionalProperties === 'object' ? [...names, ...faults(additionalProperties, part, `${at}.${name}`)] : names;
  });
  return [...missing, ...each];
}
