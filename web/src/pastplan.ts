/** A plan as it was, to be read and not to be changed. */
import { element } from './dom.ts'
import { planOf } from './plan.ts'
import { exactDay } from './times.ts'

export function showPlan(where: HTMLElement, content: string): void {
  const plan = planOf(JSON.parse(content))
  const facts = [plan.date === '' ? null : exactDay(plan.date), plan.places === 0 ? null : `${plan.places} places`, plan.open ? 'open to all' : 'by invitation']
  where.replaceChildren(
    element('h3', {}, plan.title === '' ? 'Untitled' : plan.title),
    element('p', { class: 'facts-line' }, facts.filter((fact) => fact !== null).join(' · ')),
    ...(plan.about === '' ? [] : [element('p', { class: 'about' }, plan.about)]),
    element('ul', {}, ...plan.tasks.map(({ text, done }) => element('li', { class: done ? 'done' : '' }, text))),
  )
}
