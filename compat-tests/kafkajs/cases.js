// kafkajs cases: `node cases.js BOOTSTRAP CASE` exits with 0 when the case holds, and throws otherwise.
'use strict'

const assert = require('node:assert/strict')
const { randomUUID } = require('node:crypto')
const { createRequire } = require('node:module')

const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = createRequire(`${process.env.COMPAT_KAFKAJS}/`)('kafkajs')

const [bootstrap, name] = process.argv.slice(2)
const kafka = new Kafka({ brokers: [bootstrap], clientId: 'cases', retry: { initialRetryTime: 50 }, logLevel: logLevel.ERROR })
// The 5 tries by default are over in 1.5 s; no transaction begins before the markers of the last one are written, for one.
const patient = { initialRetryTime: 50, retries: 10 }
const fresh = (base) => `${base}-${randomUUID().slice(0, 8)}`

async function withClient(client, action) {
  await client.connect()
  try {
    return await action(client)
  } finally {
    await client.disconnect()
  }
}

// Asks until the answer is as expected: a broker follows its controller a moment later.
async function soon(question, expected) {
  const end = Date.now() + 30_000
  for (;;) {
    let answer
    try {
      answer = await question()
    } catch (error) {
      if (!error.retriable) throw error
      answer = error.message
    }
    try {
      return assert.deepEqual(answer, expected)
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}

async function makeTopic(numPartitions = 1) {
  const topic = fresh(name)
  await withClient(kafka.admin(), async (admin) => {
    await admin.createTopics({ topics: [{ topic, numPartitions }] })
    await soon(async () => (await admin.fetchTopicOffsets(topic)).length, numPartitions)
  })
  return topic
}

// Runs a consumer until `count` messages have come; `options` go to the consumer and its subscription.
async function consume(topic, count, { groupId = fresh('group'), fromBeginning = true } = {}) {
  const messages = []
  await withClient(kafka.consumer({ groupId, maxWaitTimeInMs: 100, retry: patient }), async (consumer) => {
    await consumer.subscribe({ topics: [topic], fromBeginning })
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${messages.length} of ${count} messages`)), 30_000)
      const done = () => {
        clearTimeout(late)
        resolve()
      }
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      consumer.run({
        eachMessage: async ({ partition, message }) => {
          messages.push({ partition, ...message })
          if (messages.length === count) done()
        }
      })
    })
  })
  assert.equal(messages.length, count)
  return messages
}

const transactional = (transactionalId) =>
  kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, retry: patient })

async function produced(settings, sendOptions) {
  const topic = await makeTopic()
  const now = Date.now()
  const messages = Array.from({ length: 200 }, (_, n) => ({
    key: n % 5 === 0 ? null : `key-${n}`,
    value: n % 11 === 0 ? null : `value ${n} ${'ü'.repeat(n)}`,
    timestamp: `${now + n}`,
    headers: { plain: `h${n}`, twice: ['a', 'b'] },
    partition: 0
  }))
  await withClient(kafka.producer(settings), async (producer) => {
    const [answer] = await producer.send({ topic, messages: messages.slice(0, 100), ...sendOptions })
    assert.deepEqual([answer.partition, answer.errorCode, answer.baseOffset], [0, 0, '0'])
    const [second] = await producer.send({ topic, messages: messages.slice(100), ...sendOptions })
    assert.equal(second.baseOffset, '100')
  })
  const received = await consume(topic, 200)
  received.forEach((message, n) => {
    assert.equal(message.offset, `${n}`)
    assert.equal(message.key?.toString() ?? null, messages[n].key)
    assert.equal(message.value?.toString() ?? null, messages[n].value)
    assert.equal(message.timestamp, messages[n].timestamp)
    assert.equal(message.headers.plain.toString(), `h${n}`)
    assert.deepEqual(message.headers.twice.map(String), ['a', 'b'])
  })
}

const cases = {
  plain: () => produced({}, {}),
  gzip: () => produced({}, { compression: CompressionTypes.GZIP }),
  idempotent: () => produced({ idempotent: true, maxInFlightRequests: 1 }, { acks: -1 }),

  async groupGoesOn() {
    const topic = await makeTopic()
    const groupId = fresh('group')
    const send = (values) =>
      withClient(kafka.producer(), (producer) => producer.send({ topic, messages: values.map((value) => ({ value })) }))
    await send(['a', 'b', 'c'])
    const first = await consume(topic, 3, { groupId })
    assert.deepEqual(first.map(({ value }) => value.toString()), ['a', 'b', 'c'])
    await send(['d'])
    const second = await consume(topic, 1, { groupId })
    assert.equal(second[0].value.toString(), 'd')
  },

  async rebalance() {
    const topic = await makeTopic(4)
    const groupId = fresh('group')
    const assigned = new Map()
    const join = async (member) => {
      const consumer = kafka.consumer({ groupId, heartbeatInterval: 200, maxWaitTimeInMs: 100, retry: patient })
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => assigned.set(member, payload.memberAssignment[topic]))
      await consumer.connect()
      await consumer.subscribe({ topics: [topic] })
      await consumer.run({ eachMessage: async () => {} })
      return consumer
    }
    const sizes = async (...expected) => {
      const end = Date.now() + 30_000
      const actual = () => [...assigned.values()].map((partitions) => partitions?.length ?? 0)
      while (JSON.stringify(actual()) !== JSON.stringify(expected)) {
        assert.ok(Date.now() < end, `assignments stayed ${actual()}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    const first = await join('first')
    await sizes(4)
    const second = await join('second')
    await sizes(2, 2)
    assert.deepEqual([...assigned.values()].flat().sort(), [0, 1, 2, 3])
    await second.disconnect()
    assigned.delete('second')
    await sizes(4)
    await first.disconnect()
  },

  async admin() {
    const topic = fresh('admin')
    await withClient(kafka.admin(), async (admin) => {
      const wanted = { topic, numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '5000' }] }
      assert.equal(await admin.createTopics({ topics: [wanted] }), true)
      assert.equal(await admin.createTopics({ topics: [wanted] }), false)
      await soon(async () => (await admin.fetchTopicOffsets(topic)).length, 2)
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      const partitions = topics[0].partitions.sort((a, b) => a.partitionId - b.partitionId)
      assert.deepEqual(partitions.map(({ partitionId, leader, isr }) => [partitionId, leader, isr]), [[0, 1, [1]], [1, 1, [1]]])
      await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
      await soon(async () => (await admin.fetchTopicOffsets(topic)).length, 3)
      assert.ok((await admin.listTopics()).includes(topic))
      const cluster = await admin.describeCluster()
      assert.deepEqual([cluster.brokers.length, cluster.controller, cluster.clusterId], [1, 1, process.env.CLUSTER_ID])

      const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
      const retention = async () => {
        const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
        return resources[0].configEntries.find((entry) => entry.configName === 'retention.ms').configValue
      }
      assert.equal(await retention(), '5000')
      await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '6000' }] }] })
      await soon(retention, '6000')
      await admin.deleteTopics({ topics: [topic] })
      await soon(async () => (await admin.listTopics()).includes(topic), false)
      await assert.rejects(admin.deleteTopics({ topics: [topic] }), /does not host this topic-partition/)
    })
  },

  async offsets() {
    const topic = await makeTopic()
    const now = Date.now() - 10_000
    const messages = Array.from({ length: 10 }, (_, n) => ({ value: `${n}`, timestamp: `${now + n * 100}` }))
    await withClient(kafka.producer(), async (producer) => {
      for (const message of messages) await producer.send({ topic, messages: [message] })
    })
    await withClient(kafka.admin(), async (admin) => {
      assert.deepEqual(await admin.fetchTopicOffsets(topic), [{ partition: 0, offset: '10', high: '10', low: '0' }])
      assert.deepEqual(await admin.fetchTopicOffsetsByTimestamp(topic, now + 250), [{ partition: 0, offset: '3' }])
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
      assert.deepEqual(await admin.fetchTopicOffsets(topic), [{ partition: 0, offset: '10', high: '10', low: '4' }])

      const groupId = fresh('group')
      await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '7' }] })
      const stored = async () => (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset
      assert.equal(await stored(), '7')
      const rest = await consume(topic, 3, { groupId })
      assert.deepEqual(rest.map(({ value }) => value.toString()), ['7', '8', '9'])
      await admin.resetOffsets({ groupId, topic, earliest: true })
      const { groups } = await admin.describeGroups([groupId])
      assert.deepEqual([groups[0].state, groups[0].members.length], ['Empty', 0])
      assert.ok((await admin.listGroups()).groups.some((group) => group.groupId === groupId))
      await admin.deleteGroups([groupId])
      assert.ok(!(await admin.listGroups()).groups.some((group) => group.groupId === groupId))
    })
  },

  async transactions() {
    const topic = await makeTopic()
    const kept = []
    await withClient(transactional(fresh('id')), async (producer) => {
      for (let n = 0; n < 9; n++) {
        const transaction = await producer.transaction()
        const values = Array.from({ length: 10 }, (_, i) => `${n}.${i}`)
        await transaction.send({ topic, messages: values.map((value) => ({ value })) })
        if (n % 3 === 1) {
          await transaction.abort()
        } else {
          await transaction.commit()
          kept.push(...values)
        }
      }
    })
    const received = await consume(topic, kept.length)
    assert.deepEqual(received.map(({ value }) => value.toString()), kept)
  },

  async transactionFenced() {
    const topic = await makeTopic()
    const id = fresh('id')
    await withClient(transactional(id), async (first) => {
      const open = await first.transaction()
      await open.send({ topic, messages: [{ value: 'of the first' }] })
      await withClient(transactional(id), async (second) => {
        const next = await second.transaction()
        await next.send({ topic, messages: [{ value: 'of the second' }] })
        await assert.rejects(open.commit(), ({ type }) => ['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH'].includes(type))
        await next.commit()
      })
    })
    const received = await consume(topic, 1)
    assert.equal(received[0].value.toString(), 'of the second')
  },

  async transactionOffsets() {
    const topic = await makeTopic()
    const consumerGroupId = fresh('group')
    await withClient(kafka.admin(), async (admin) => {
      const stored = async () =>
        (await admin.fetchOffsets({ groupId: consumerGroupId, topics: [topic] }))[0].partitions[0].offset
      await withClient(transactional(fresh('id')), async (producer) => {
        for (const [offset, end, expected] of [['3', 'abort', '-1'], ['5', 'commit', '5'], ['7', 'abort', '5']]) {
          const transaction = await producer.transaction()
          await transaction.send({ topic, messages: [{ value: offset }] })
          await transaction.sendOffsets({ consumerGroupId, topics: [{ topic, partitions: [{ partition: 0, offset }] }] })
          await transaction[end]()
          await soon(stored, expected)
        }
      })
    })
  }
}

cases[name]().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
