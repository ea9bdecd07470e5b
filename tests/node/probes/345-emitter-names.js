// The names of events with listeners: in the order in which each got its first listener.
const { EventEmitter } = require('events');
const ee = new EventEmitter();
const nothing = () => {};
const names = () => console.log(ee.eventNames().join(' '));
ee.on('c', nothing);
ee.on('a', nothing);
ee.on('error', nothing);
ee.on('b', nothing);
ee.prependListener('a', nothing);
names();
ee.removeListener('a', nothing);
names();
ee.removeListener('a', nothing);
ee.removeListener('c', nothing);
names();
ee.on('c', nothing);
ee.on('newListener', nothing);
names();
