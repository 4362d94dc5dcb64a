const isMarkup = Symbol('markup');

/** Text that is HTML already. */
export interface Markup {
  readonly [isMarkup]: true;
  readonly text: string;
}

/** What may stand in a template; undefined and false are nothing. */
export type Content = Markup | string | number | undefined | false | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * HTML from a template. Every value in it is escaped unless it was made by this function, so what comes from Redis or
 * a registry is text wherever it stands: between tags or in an attribute in quotes.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  const text = strings.map((part, index) => part + (index < values.length ? render(values[index]) : '')).join('');
  return { [isMarkup]: true, text };
}

function render(content: Content): string {
  if (content === undefined || content === false) return '';
  if (typeof content === 'string') return escapeText(content);
  if (typeof content === 'number') return String(content);
  if (isList(content)) return content.map(render).join('');
  // What JSON made can look like markup, but never have its mark.
  if (!Object.hasOwn(content, isMarkup)) throw new TypeError('that is no content of a page');
  return content.text;
}

function isList(content: Content): content is readonly Content[] {
  return Array.isArray(content);
}

/** Control characters, which HTML forbids, and those that turn text around (U+202E) become visible. */
function escapeText(text: string): string {
  return text
    .replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/gu, '\u{FFFD}')
    .replace(/[&<>"']/g, (sign) => entities[sign] ?? '');
}
