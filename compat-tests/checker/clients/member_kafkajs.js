// A member of a group (kafkajs) that writes its history; run as a program.
'use strict'

const { appendFileSync } = require('node:fs')
const { createRequire } = require('node:module')

const { Kafka, PartitionAssigners, logLevel } = createRequire(`${process.env.COMPAT_KAFKAJS}/`)('kafkajs')

const wish = JSON.parse(process.argv[2])
const key = (partition) => `${wish.topic}-${partition}`

// `more` is JSON without braces, as values are larger than JavaScript's numbers hold.
function write(type, f, more) {
  const time = Number(process.hrtime.bigint()) / 1e9
  appendFileSync(
    wish.history,
    `{"type":"${type}","f":"${f}","process":${wish.process},"group":"${wish.group}","time":${time}${more ? `,${more}` : ''}}\n`
  )
}

function valueOf(message) {
  const [process, number] = message.value.toString().split(' ')[0].split('.')
  return (BigInt(process) << 40n) | BigInt(number)
}

const kafka = new Kafka({
  brokers: wish.bootstrap.split(','),
  clientId: `member-${wish.process}`,
  requestTimeout: 10_000,
  // It ends with an error when it has tried in vain too often, and it is to outlive its broker's restart.
  retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 1_000 },
  logLevel: logLevel.ERROR
})
const consumer = kafka.consumer({
  groupId: wish.group,
  sessionTimeout: wish.session_ms,
  heartbeatInterval: wish.heartbeat_ms,
  rebalanceTimeout: 60_000,
  metadataMaxAge: 1_000,
  minBytes: 2_000,
  maxWaitTimeInMs: 100,
  partitionAssigners: [PartitionAssigners.roundRobin]
})

// Only heartbeats and commits tell the generation, so what it owns is written down with the first of them.
let owned = []
let generation = 0
let said = true

function owns() {
  if (generation > 0) write('ok', 'owns', `"generation":${generation},"keys":${JSON.stringify(owned)}`)
}

consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
  owned = (payload.memberAssignment[wish.topic] ?? []).map(key).sort()
  said = false
  write('ok', 'assign', `"keys":${JSON.stringify(owned)}`)
})
consumer.on(consumer.events.REBALANCING, () => {
  owned = []
  said = true
  owns()
})
for (const event of [consumer.events.HEARTBEAT, consumer.events.COMMIT_OFFSETS]) {
  consumer.on(event, ({ payload }) => {
    if (said) return
    said = true
    generation = payload.groupGenerationId
    owns()
  })
}

// Whoever lets it crash has to begin anew by himself.
consumer.on(consumer.events.CRASH, ({ payload }) => {
  if (!payload.restart) process.exit(1)
})

async function eachBatch({ batch, resolveOffset, heartbeat, isRunning, isStale, commitOffsetsIfNecessary }) {
  if (isStale() || !isRunning()) return
  const read = batch.messages.map((message) => `[${message.offset},${valueOf(message)}]`).join(',')
  write('ok', 'poll', `"read":{"${key(batch.partition)}":[${read}]}`)
  resolveOffset(batch.lastOffset())
  const next = `${BigInt(batch.lastOffset()) + 1n}`
  write('invoke', 'commit')
  try {
    // What consumer.commitOffsets throws ends the consumer when it is no member any more; of this it joins again.
    const partitions = [{ partition: batch.partition, offset: next }]
    await commitOffsetsIfNecessary({ topics: [{ topic: batch.topic, partitions }] })
  } catch (error) {
    write('info', 'commit', `"error":${JSON.stringify(error.message)}`)
    throw error
  }
  write('ok', 'commit', `"offsets":{"${key(batch.partition)}":${next}}`)
  await heartbeat()
}

async function main() {
  write('info', 'joins')
  await consumer.connect()
  await consumer.subscribe({ topics: [wish.topic], fromBeginning: true })
  await consumer.run({ autoCommit: false, partitionsConsumedConcurrently: 1, eachBatch })
}

process.once('SIGTERM', async () => {
  await consumer.disconnect()
  process.exit(0)
})
main().catch((error) => {
  console.error(error)
  process.exit(1)
})
