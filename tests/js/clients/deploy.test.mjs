// The examples of how to run several nodes: they are what they are said to be, name only settings that exist, and with what they
// set a server would start.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { BINARY } from './server.mjs'

const folder = fileURLToPath(new URL('../../../deploy/', import.meta.url))
const read = name => readFileSync(folder + name, 'utf8')

/** What a file of YAML holds, document by document, with `<<` taken in. */
function documents (name) {
  return parseAllDocuments(read(name), { merge: true }).map(document => {
    assert.deepEqual([...document.errors, ...document.warnings], [], name)
    return document.toJS()
  })
}

/** How a server with this environment and these flags is configured. */
function configured (env, flags = []) {
  const args = ['config', 'show', '-o', 'json', ...flags]
  const shown = spawnSync(BINARY, args, { env, cwd: folder, encoding: 'utf8' })
  assert.equal(shown.status, 0, shown.stderr)
  assert.equal(shown.stderr, '', 'nothing to warn of')
  return Object.fromEntries(JSON.parse(shown.stdout).map(({ key, value }) => [key, value]))
}

const seconds = text => Number(/^(\d+)s$/.exec(text)[1])

/** Whoever stops it has to wait for the drain, and as long again for the store. */
function assertPatient (settings, patience) {
  assert.ok(patience > seconds(settings['shutdown.grace']), `${patience}s for ${settings['shutdown.grace']}`)
}

test('every variable that an example names is a setting', () => {
  const settings = Object.keys(configured({}))
  const variables = new Set(settings.map(key => `QUIRE_${key.replace('.', '__').toUpperCase()}`))
  for (const name of readdirSync(folder)) {
    for (const [variable] of read(name).matchAll(/\bQUIRE_[A-Z_]+\b/g)) {
      const isOfKubernetes = variable === 'QUIRE_SERVICE_HOST'
      assert.ok(isOfKubernetes || variables.has(variable), `${name} names ${variable}`)
    }
  }
})

test('the compose file has three nodes that differ in their names', () => {
  const [{ services, volumes }] = documents('compose.yaml')
  const nodes = Object.entries(services).filter(([name]) => name.startsWith('node-'))
  assert.equal(nodes.length, 3)
  const names = nodes.map(([name, node]) => {
    const env = Object.fromEntries(Object.entries(node.environment).map(([key, value]) => [key, resolved(value)]))
    const settings = configured(env)
    assert.notEqual(settings.database_url, 'none')
    assert.equal(settings['cluster.node'], name)
    assert.equal(settings['cluster.address'], `http://${name}:1234`)
    assertPatient(settings, seconds(node.stop_grace_period))
    for (const needed of Object.keys(node.depends_on)) assert.ok(services[needed].healthcheck, needed)
    for (const volume of node.volumes) assert.ok(volume.split(':')[0] in volumes, volume)
    return settings['cluster.node']
  })
  assert.equal(new Set(names).size, 3)
  const proxied = [...read('haproxy.cfg').matchAll(/^ {2}server (\S+) (\S+):1234$/gm)].map(([, name, host]) => [name, host])
  assert.deepEqual(proxied, names.map(name => [name, name]))
})

/** `${NAME:?…}` as compose puts something in its place. */
function resolved (value) {
  return value.replace(/\$\{POSTGRES_PASSWORD:\?[^}]*\}/g, 'secret')
}

test('the Kubernetes example has three nodes that are found, probed and let go in time', () => {
  const parts = documents('kubernetes.yaml')
  const of = kind => parts.filter(part => part.kind === kind)
  const [set] = of('StatefulSet')
  const labels = set.spec.template.metadata.labels
  for (const part of [...of('Service'), ...of('PodDisruptionBudget')]) {
    assert.deepEqual(part.spec.selector.matchLabels ?? part.spec.selector, labels, part.metadata.name)
  }
  assert.deepEqual(of('Service').map(it => it.metadata.name), ['quire', set.spec.serviceName])
  assert.equal(set.spec.replicas, 3)
  const { spec } = set.spec.template
  const [quire] = spec.containers
  const probed = ['livenessProbe', 'readinessProbe', 'startupProbe'].map(probe => quire[probe].httpGet.path)
  assert.deepEqual(probed, ['/livez', '/readyz', '/livez'])
  const env = { DATABASE_URL: 'postgres://quire@db/quire', REDIS_URL: 'redis://redis' }
  for (const { name, value } of quire.env) env[name] = value?.replace('$(QUIRE_CLUSTER__NODE)', 'quire-0') ?? 'quire-0'
  const settings = configured(env)
  assert.equal(settings['cluster.address'], 'http://quire-0.quire-nodes:1234')
  const [, pause] = quire.lifecycle.preStop.exec.command
  assertPatient(settings, spec.terminationGracePeriodSeconds - Number(pause))
  const mounted = [...spec.initContainers, ...spec.containers].flatMap(it => it.volumeMounts).map(it => it.name)
  assert.deepEqual(new Set(mounted), new Set(spec.volumes.map(it => it.name)))
})

for (const [name, instance] of [['quire.service', ''], ['quire@.service', '1235']]) {
  test(`${name} starts a server with what it sets, and waits until it has stopped`, () => {
    const values = key => [...read(name).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)
    const [program, command, ...flags] = values('ExecStart')[0].replaceAll('%i', instance).split(' ')
    assert.deepEqual([program, command], ['/usr/local/bin/quire', 'serve'])
    const env = Object.fromEntries(values('Environment').map(it => it.split('=')))
    const settings = configured(env, flags)
    assert.equal(settings.data_dir, '/var/lib/quire')
    if (instance) assert.equal(settings.listen, '127.0.0.1:1235')
    assertPatient(settings, seconds(values('TimeoutStopSec')[0]))
  })
}

test('the script of three nodes is one that bash understands', () => {
  const checked = spawnSync('bash', ['-n', folder + 'three-nodes'], { encoding: 'utf8' })
  assert.deepEqual([checked.status, checked.stderr], [0, ''])
})
