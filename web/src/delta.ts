/**
 * Rich text as this editor may see it. Any client may write any delta: formats that the editor lacks, values that it cannot
 * take, things in the text that it cannot draw. What would stop it is left out of what is shown, and a thing that is not
 * text becomes a sign that stands for it, as long as it was, so that positions agree; written back, it is itself again.
 */

/** One step of a delta, whoever made it. */
export interface Step {
  insert?: unknown
  delete?: unknown
  retain?: unknown
  attributes?: Record<string, unknown> | null | undefined
}

/** The name of the sign that stands for a thing. */
export const THING = 'thing'

const LISTS = ['bullet', 'ordered', 'checked', 'unchecked']
const HEADER_MAX = 6

/** The formats that the editor has, and which values of them it takes. */
export const FORMATS: Record<string, (value: unknown) => boolean> = {
  bold: isTrue,
  italic: isTrue,
  code: isTrue,
  blockquote: isTrue,
  link: (value) => typeof value === 'string',
  header: (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= HEADER_MAX,
  list: (value) => LISTS.includes(value as string),
}

/** What arrives, as the editor takes it. */
export function toShown(steps: readonly Step[]): Step[] {
  return steps.map((step) => {
    const attributes = knownFormats(step.attributes)
    if (step.delete !== undefined) return { delete: step.delete }
    return { ...body(step), ...(attributes === null ? {} : { attributes }) }
  })
}

/** What is written here, as it is for everybody. */
export function toShared(steps: readonly Step[]): Step[] {
  return steps.map((step) => (isSign(step.insert) ? { ...step, insert: step.insert[THING] } : step))
}

function body(step: Step): Step {
  // A change inside a thing is no change of its sign.
  if (step.retain !== undefined) return { retain: typeof step.retain === 'number' ? step.retain : 1 }
  return { insert: typeof step.insert === 'string' ? step.insert : { [THING]: step.insert } }
}

/** Null takes a format away, and is always good. */
function knownFormats(attributes: Step['attributes']): Record<string, unknown> | null {
  const known = Object.entries(attributes ?? {}).filter(([name, value]) => Object.hasOwn(FORMATS, name) && (value === null || FORMATS[name]!(value)))
  return known.length === 0 ? null : Object.fromEntries(known)
}

function isSign(insert: unknown): insert is Record<string, unknown> {
  return typeof insert === 'object' && insert !== null && Object.hasOwn(insert, THING)
}

function isTrue(value: unknown): boolean {
  return value === true
}
