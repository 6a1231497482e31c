/** The form page: a json0 document, its history, and its goodbye when the page goes. */
import { byId } from './dom.ts'
import { FormSheet } from './formsheet.ts'
import { openShared } from './opening.ts'
import { showPlan } from './pastplan.ts'
import { FORMS } from './views.ts'

openShared(FORMS, new FormSheet(), { query: { format: 'json' }, show: (content) => showPlan(byId('past'), content) })
