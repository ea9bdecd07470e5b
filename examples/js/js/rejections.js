// The promises that were rejected without a reaction, by the number under which the loop knows them.
'use strict';

const numbers = new WeakMap(); // by promise
const reasons = new Map(); // [promise, reason] of the rejections that are not reported, by number
const handled = new Map(); // the promises that were handled after their report, by number
let next = 1;

// The engine calls this in the middle of other code: it only records.
function onRejection(promise, reason, isHandled) {
  if (!isHandled) {
    numbers.set(promise, next);
    reasons.set(next, [promise, reason]);
    native.rejected(next);
    next += 1;
    return;
  }
  const number = numbers.get(promise);
  if (number === undefined) return;
  numbers.delete(promise);
  native.rejectionHandled(number);
  if (!reasons.delete(number)) handled.set(number, promise);
  else native.forgetRejection(number);
}

// The loop calls these in the rejection round. What a listener throws does not end the round.
function onUnhandled(number) {
  const [promise, reason] = reasons.get(number);
  reasons.delete(number);
  guarded(() => internals.reportUnhandled(promise, reason));
}

function onHandledLate(number) {
  const promise = handled.get(number);
  handled.delete(number);
  guarded(() => internals.reportHandledLate(promise));
}

function guarded(report) {
  try {
    report();
  } catch (error) {
    internals.onUncaught(error, false);
    native.keepAliveOnce(); // R51
  }
}

module.exports = { onRejection, onUnhandled, onHandledLate };
