/** SVG as text: elements, escaping, and how much room words need. Called by everything that draws. Pure. */
import { escapeHtml } from '../../api/src/core/escape-html.ts';

type Attributes = Readonly<Record<string, string | number>>;

/** Everybody's machine has one of them; the pictures load nothing. */
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

export const INK = '#1f2933';
export const SOFT = '#5f6b7a';
export const RULE = '#e3e8ee';
export const FRAME = '#cfd6de';
export const PAGE = '#ffffff';
/** Told apart by who sees fewer colours, as far as ten can be; after them the lines are dashed. */
const COLOURS = [
  '#1f77b4',
  '#e07b00',
  '#2a8c4a',
  '#c8322b',
  '#7b52ab',
  '#8a6a1c',
  '#0f8b9d',
  '#b5347f',
  '#4d5866',
  '#7a9a01',
] as const;

// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

/** As XML takes it, in text and in attributes: a name that Prometheus knows may hold anything. */
export function escaped(text: string): string {
  return escapeHtml(text).replaceAll(FORBIDDEN, '\ufffd');
}

/** Children are SVG already; attribute values are not. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const pairs = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(shown(value))}"`);
  const open = `<${name}${pairs.join('')}`;
  return children.length === 0 ? `${open}/>` : `${open}>${children.join('')}</${name}>`;
}

/** A tenth of a pixel is more than anybody sees. */
const shown = (value: string | number): string => (typeof value === 'number' ? px(value) : value);

export const px = (value: number): string => String(Math.round(value * 10) / 10);

export interface Words {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly colour?: string;
  readonly weight?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  /** Keeps lines that cross the words from being read as part of them. */
  readonly hasHalo?: boolean;
}

const HALO = { stroke: PAGE, 'stroke-width': 3, 'paint-order': 'stroke' } as const;

export function words(text: string, { x, y, size, colour = INK, weight, anchor, hasHalo }: Words): string {
  const attributes = {
    x,
    y,
    'font-size': size,
    fill: colour,
    ...(weight === undefined ? {} : { 'font-weight': weight }),
    ...(anchor === undefined ? {} : { 'text-anchor': anchor }),
    ...(hasHalo === true ? HALO : {}),
  };
  return element('text', attributes, escaped(text));
}

/** The width of a letter of these fonts, in parts of their size: rather too much than too little. */
const LETTER = 0.56;

export const widthOf = (text: string, size: number): number => text.length * size * LETTER;

/** The words, or as many letters of them as have room, with an ellipsis. */
export function fitted(text: string, size: number, room: number): string {
  const letters = Math.floor(room / (size * LETTER));
  return text.length <= letters ? text : `${text.slice(0, Math.max(1, letters - 1))}…`;
}

/** Lines of whole words, each within the room. */
export function wrapped(text: string, size: number, room: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`.trimStart();
    if (lines.length > 0 && widthOf(longer, size) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export interface Stroke {
  readonly colour: string;
  /** Of `stroke-dasharray`; empty for a whole line. */
  readonly dash: string;
}

export function strokeOf(index: number): Stroke {
  const round = Math.floor(index / COLOURS.length);
  return { colour: COLOURS[index % COLOURS.length] ?? INK, dash: ['', '5 3', '2 3'][round % 3] ?? '' };
}

export interface Page {
  readonly width: number;
  readonly height: number;
  /** What a screen reader says of it. */
  readonly title: string;
}

/** White behind it, since a page in dark colours would show its own. */
export function page({ width, height, title }: Page, ...children: readonly string[]): string {
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${px(width)} ${px(height)}`,
    width,
    height,
    role: 'img',
    'font-family': FONT,
  };
  const ground = element('rect', { width, height, fill: PAGE });
  const parts = [element('title', {}, escaped(title)), ground, ...children];
  return `${element('svg', attributes, `\n${parts.join('\n')}\n`)}\n`;
}
