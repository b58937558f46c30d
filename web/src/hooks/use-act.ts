import { useMutation, useQueryClient } from '@tanstack/react-query';

/** Something that is done once asked for; afterwards the lists whose names `changes` says are asked for again. */
export function useAct<Given = void, Made = unknown>(act: (given: Given) => Promise<Made>, changes: readonly string[], onDone?: (made: Made) => void) {
  const queries = useQueryClient();
  return useMutation<Made, Error, Given>({
    mutationFn: act,
    onSuccess: async (made) => {
      await Promise.all(changes.map((key) => queries.invalidateQueries({ queryKey: [key] })));
      onDone?.(made);
    },
  });
}
