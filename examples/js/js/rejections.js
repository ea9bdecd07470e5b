// The promises that were rejected without a reaction, by the number under which the loop knows them.
'use strict';

const numbers = new WeakMap(); // by promise
const reasons = new Map(); // [promise, reason] of the rejections that are not reported, by number
const handled = new Map(); // the promises that were handled after their report, by number
const handledInRound = [];
let next = 1;
let isReporting = false;

// The engine calls this in the middle of other code: it only records.
function onRejection(promise, reason, isHandled) {
  if (!isReporting && handledInRound.length > 0) {
    for (const number of handledInRound.splice(0)) if (reasons.has(number)) forget(number);
  }
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
  if (!reasons.has(number)) handled.set(number, promise);
  else if (isReporting) handledInRound.push(number); // the round may still report it
  else forget(number);
}

function forget(number) {
  reasons.delete(number);
  native.forgetRejection(number);
}

// The loop calls these in the rejection round.
function onUnhandled(number) {
  const [promise, reason] = reasons.get(number);
  reasons.delete(number);
  report(() => internals.reportUnhandled(promise, reason));
}

function onHandledLate(number) {
  const promise = handled.get(number);
  handled.delete(number);
  report(() => internals.reportHandledLate(promise));
}

function report(call) {
  isReporting = true;
  try {
    call();
  } finally {
    isReporting = false;
  }
}

module.exports = { onRejection, onUnhandled, onHandledLate };
