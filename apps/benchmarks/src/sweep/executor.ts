/** The seam between a sweep and whoever runs its trials: processes on this machine, or workers elsewhere. */

import type { NewRun, Sources } from '../run/run.ts';
import type { TrialState } from './study.ts';

/** A run of a trial, without any place on a machine. */
export type RunOrder = Omit<NewRun, keyof Sources | 'results' | 'name'> & { readonly name: string };

/** What is to be run: the same order is the same trial, wherever and however often it is run. */
export interface TrialOrder {
  /** Folder of the runs, in that of the study. */
  readonly folder: string;
  /** One for each seed. */
  readonly runs: readonly RunOrder[];
}

/** Where a machine has what a trial reads, and where it writes. */
export interface TrialPlaces extends Sources {
  /** Folder of the runs. */
  readonly results: string;
}

/** An epoch of a running trial. */
export interface EpochReport {
  /** Which run of the trial, from 0. */
  readonly run: number;
  /** Epoch, from 0. */
  readonly epoch: number;
  readonly validationLoss: number;
}

/** How a trial is accompanied. */
export interface TrialCompany {
  /** Interrupts it: it keeps a checkpoint, and can be run again. */
  readonly signal: AbortSignal;
  /** Ends it as pruned, with the losses it has. */
  readonly stop: AbortSignal;
  /** Told of every epoch; after an interruption, of those before it again. */
  onEpoch(report: EpochReport): void;
}

/** What came of a trial. */
export interface TrialOutcome {
  readonly state: TrialState;
  /** Validation losses of the epochs of each run that ended; of a pruned trial, those it has had. */
  readonly losses: readonly (readonly number[])[];
  readonly reason?: string;
  /** How long it took, where that is not the time of the call. */
  readonly seconds?: number;
}

/** Runs trials. */
export interface Executor {
  /**
   * Runs a trial to its end, or goes on with it where it was interrupted. Its runs are then in the study's folder.
   *
   * @throws the reason of `signal` if that interrupted it; an error that no other trial would escape either.
   */
  run(order: TrialOrder, company: TrialCompany): Promise<TrialOutcome>;
  /** Told when the outcome of an order is in the study, and is not going to be asked for again. */
  forget(order: TrialOrder): Promise<void>;
  /** Lets go of whatever it holds. */
  close(): Promise<void>;
}
