import fc from 'fast-check';
import { expect, test } from 'vitest';
import { html } from '../../../src/dashboard/html.ts';
import { showDuration, showTime } from '../../../src/dashboard/show.ts';

test('every value is text, in an element and in an attribute', () => {
  const hostile = `"><script>alert('1')</script>&amp;`;
  expect(html`<p title="${hostile}">${hostile}</p>`.text).toBe(
    '<p title="&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;">&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;</p>',
  );
});

test('no text whatever leaves the place where it stands', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
      const [, inside = ''] = /^<p title="(.*)"><\/p>$/s.exec(html`<p title="${text}"></p>`.text) ?? [];
      expect(inside).not.toMatch(/["'<>]/);
      expect(inside).not.toMatch(/&(?!(?:amp|lt|gt|quot|#39);)/);
    }),
  );
});

test('characters that are not seen or turn text around become visible', () => {
  expect(html`${'a\u202eb\u0000c\u200bd\te\n'}`.text).toBe('a\u{fffd}b\u{fffd}c\u{fffd}d\te\n');
});

test('lists, numbers and nothing are what they look like; markup is not escaped twice', () => {
  const items = ['a&b', 'c'].map((item) => html`<li>${item}</li>`);
  expect(html`<ul>${items}</ul>${0}${undefined}${false}${[]}`.text).toBe('<ul><li>a&amp;b</li><li>c</li></ul>0');
});

test('an object that only looks like markup is none', () => {
  const forged = JSON.parse('{"text":"<script>","isMarkup":true}');
  expect(() => html`${forged}`).toThrow('no content of a page');
});

test.each([
  [0, '0 ms'],
  [870.4, '870 ms'],
  [2_449, '2.4 s'],
  [9_999, '9.9 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_600_000, '1 h'],
  [90_000_000, '1 d'],
])('%d ms are shown as %s', (ms, expected) => {
  expect(showDuration(ms)).toBe(expected);
});

test.each([
  [new Date(100_000), 'for', 'for 20 s'],
  [new Date(119_000), 'ago', 'just now'],
  [new Date(117_500), 'ago', '2 s ago'],
  [new Date(500_000), 'ago', 'just now'],
] as const)('an age is in whole seconds: %s', (at, form, expected) => {
  expect(showTime(at, new Date(120_000), form).text).toContain(`>${expected}</time>`);
});

test.each([new Date(Number.NaN), new Date(0), new Date(-5)])('what is no time is unknown: %s', (at) => {
  expect(showTime(at, new Date(1)).text).toContain('unknown');
});
