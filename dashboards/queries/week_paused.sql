-- title: Pauses and withdrawn episodes
-- about: Minutes in which the school paused the monitoring, with the reasons, and episodes withdrawn after a contest, from one day to another.
-- parameters: school String, from Date, to Date
SELECT
    sumIf(c.value, c.metric = 'minutes_paused') AS paused,
    arraySort(groupUniqArrayIf(substring(toString(c.metric), 16), c.metric LIKE 'minutes_paused_%')) AS reasons,
    sumIf(c.value, c.metric = 'episodes_withdrawn') AS withdrawn,
    sumIf(c.value, c.metric = 'minutes_withdrawn') AS minutes_withdrawn
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.day >= {from:Date} AND c.day <= {to:Date}
    AND (c.metric LIKE 'minutes_paused%' OR c.metric IN ('episodes_withdrawn', 'minutes_withdrawn'))
