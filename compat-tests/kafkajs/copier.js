// A member of a group (kafkajs) that copies a topic to another in transactions, partition by partition; run as a program.
// kafkajs commits offsets without saying which generation of the group they are of, so whoever has a partition takes the
// transactional id that belongs to it, and fences who had it before.
'use strict'

const { createRequire } = require('node:module')

const { Kafka, logLevel } = createRequire(`${process.env.COMPAT_KAFKAJS}/`)('kafkajs')

const ABORTS = 0.1
const COPIED_AT_ONCE = 500
const [bootstrap, source, target, groupId, timeoutMs] = process.argv.slice(2)
const kafka = new Kafka({
  brokers: bootstrap.split(','),
  clientId: 'copier',
  requestTimeout: 10_000,
  retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 20 },
  logLevel: logLevel.ERROR
})
const consumer = kafka.consumer({ groupId, sessionTimeout: 6_000, heartbeatInterval: 500, rebalanceTimeout: 60_000, maxWaitTimeInMs: 100 })
const admin = kafka.admin()

// By partition its producer, and the offset that its next transaction begins with.
const open = new Map()

async function giveUp() {
  const given = [...open.values()]
  open.clear()
  await Promise.allSettled(given.map(({ producer }) => producer.disconnect()))
}

async function begin(partition) {
  const producer = kafka.producer({
    transactionalId: `${groupId}-${partition}`,
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: Number(timeoutMs)
  })
  await producer.connect()
  // kafkajs takes the transactional id with the first transaction, and not before.
  await (await producer.transaction()).abort()
  // No transaction is open any more, so this is where the next one begins, whatever the group was told.
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [source] })
  const committed = partitions.find((each) => each.partition === partition)
  const place = { producer, next: BigInt(committed?.offset ?? -1) }
  open.set(partition, place)
  return place
}

async function copy(producer, partition, messages, next) {
  for (let committed = false; !committed; ) {
    const transaction = await producer.transaction()
    try {
      await transaction.send({ topic: target, messages: messages.map(({ value }) => ({ value, partition })) })
      const partitions = [{ partition, offset: `${next}` }]
      await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: source, partitions }] })
    } catch (error) {
      await transaction.abort()
      throw error
    }
    committed = Math.random() >= ABORTS
    await (committed ? transaction.commit() : transaction.abort())
  }
}

async function eachBatch({ batch, resolveOffset, heartbeat, isRunning, isStale }) {
  if (isStale() || !isRunning()) return
  const place = open.get(batch.partition) ?? (await begin(batch.partition))
  const messages = batch.messages.filter(({ offset }) => BigInt(offset) >= place.next)
  for (let from = 0; from < messages.length && isRunning() && !isStale(); from += COPIED_AT_ONCE) {
    const some = messages.slice(from, from + COPIED_AT_ONCE)
    const last = some.at(-1).offset
    await copy(place.producer, batch.partition, some, BigInt(last) + 1n)
    place.next = BigInt(last) + 1n
    resolveOffset(last)
    await heartbeat()
  }
  if (isRunning() && !isStale()) resolveOffset(batch.lastOffset())
}

// Whatever goes wrong in the midst of a transaction: it begins anew as another process.
function end(error) {
  console.error(error)
  consumer.disconnect().finally(() => process.exit(1))
}

async function main() {
  consumer.on(consumer.events.CRASH, ({ payload }) => end(payload.error))
  consumer.on(consumer.events.REBALANCING, giveUp)
  await admin.connect()
  await consumer.connect()
  await consumer.subscribe({ topics: [source], fromBeginning: true })
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 1, eachBatch })
}

process.once('SIGTERM', async () => {
  await consumer.disconnect()
  process.exit(0)
})
main().catch(end)
